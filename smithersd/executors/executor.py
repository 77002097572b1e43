"""An executor: one way to run attempts, and the kind of work that it runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeGuard, TypeVar

from smithersd.core.flow.work import Work
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Running

W = TypeVar("W", bound=Work)


@dataclass(frozen=True, slots=True)
class Executor(Generic[W]):
    """One way to run attempts; an entry of the table `EXECUTORS`.

    `takes` says whether it runs a piece of work. `begin` starts an attempt at such work, in the loop's thread; its last
    argument is the `encode_output` of the call. The sink is not called before `begin` has returned.
    """

    name: str
    takes: Callable[[Work], TypeGuard[W]]
    begin: Callable[[Attempt, W, Callable[[Any], str]], Running]
