"""Who is told what a service does: the terminal, a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from smithersd.core.events import Recorded
from smithersd.engine import Engine


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that was begun or taken up. The engine is its driver, and its state changes as the run goes on."""

    engine: Engine
    workflow: str
    """The workflow as it was named: "path.py" or "path.py:name"."""
    store: str | None
    """The store's URL where it is not the default one."""
    url: str | None
    """Where the run is served, None where it is not."""


class Report(Protocol):
    """Is told in the loop's thread, and raises nothing: a reader who left does not stop a run."""

    def warn(self, text: str) -> None:
        """Something that the operator should see; may have several lines, and come from any thread."""

    def begin(self, begun: Begun) -> None:
        """The run's first step is durable."""

    def show(self, recorded: Sequence[Recorded]) -> None:
        """These events are durable."""

    def end(self, *, is_still_served: bool) -> None:
        """The run is driven no longer; perhaps the process stays to serve it as it is."""

    def close(self) -> None:
        """Write what is left; nothing more will be reported."""

    def release(self) -> None:
        """Leave the terminal as it was; also in the midst of another call, from any thread."""
