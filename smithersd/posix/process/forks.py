"""Keep descriptors from forked children, and call back in them.

A worker of a task's process pool is a fork of this process, and may outlive it. It would keep the port, the locks and
the connections after this process was killed, and a resumption would fail. So in each forked child these descriptors
are replaced by /dev/null. They are not closed: the child has copies of the objects that own these numbers, and those
would close whatever file got the number next.

Methods and functions are held by weak references, so nothing has to be unregistered.
"""

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import MethodType
from typing import Any, TypeVar
from weakref import ReferenceType, WeakMethod, ref

_Called = TypeVar("_Called", bound=Callable[[], Any])

_callbacks: dict[ReferenceType[Callable[[], None]], None] = {}
_kept: dict[ReferenceType[Callable[[], Iterable[int]]], None] = {}


def after_fork_in_child(callback: Callable[[], None]) -> None:
    """Call a function or method in each child that is forked from now on, while it or its object lives."""
    _add(_callbacks, callback)


def keep_from_forks(descriptors: Callable[[], Iterable[int]]) -> None:
    """Keep descriptors from each child that is forked from now on.

    A function or method says which they are at the time of the fork, while it or its object lives. Callbacks of
    `after_fork_in_child` still have them.
    """
    _add(_kept, descriptors)


def _add(known: dict[ReferenceType[_Called], None], called: _Called) -> None:
    def remove(reference: ReferenceType[_Called]) -> None:
        known.pop(reference, None)

    known[WeakMethod(called, remove) if isinstance(called, MethodType) else ref(called, remove)] = None


def _living(known: dict[ReferenceType[_Called], None]) -> list[_Called]:
    return [called for reference in list(known) if (called := reference()) is not None]


def _in_child() -> None:
    for callback in _living(_callbacks):
        callback()
    descriptors = [descriptor for descriptors_of in _living(_kept) for descriptor in descriptors_of()]
    if not descriptors:
        return
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for descriptor in descriptors:
        with suppress(OSError):
            os.dup2(null, descriptor, inheritable=False)
    os.close(null)


os.register_at_fork(after_in_child=_in_child)
