"""Who is told what a service does: the terminal, a log."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from smithersd.core.log.events import Recorded
from smithersd.daemon.state.folder import RunFolder
from smithersd.daemon.state.storage import Storage
from smithersd.engine import Engine
from smithersd.query.approvals import PendingApproval


@dataclass(frozen=True, slots=True)
class StartedRun:
    """A run that was begun or taken up. The engine is its driver, and its state changes as the run goes on."""

    engine: Engine
    workflow: str
    """The workflow as it was named: "path.py" or "path.py:name"."""
    storage: Storage
    """Where the run is kept."""
    url: str | None
    """Where the run is served, None where it is not."""


@dataclass(frozen=True, slots=True)
class StandingBy:
    """A run that another process has in hand, or that was suspended, while this one waits to take it up."""

    run_id: str
    workflow: str
    """The workflow as it was named."""
    driver: str | None
    """Who drives the run ("process 42 on host"); None while it is suspended."""
    url: str | None
    """Where the run is served from here meanwhile, None where it is not."""


class Report(Protocol):
    """Is told in the loop's thread, and raises nothing: a reader who left does not stop a run."""

    def warn(self, text: str) -> None:
        """Something that the operator should see; may have several lines, and come from any thread."""

    def wait_for_store(self, problem: str | None) -> None:
        """The store is away while the process starts; told at each try, None where nothing is new."""

    def stand_by(self, waiting: StandingBy) -> None:
        """This process waits for its turn; told again when that which it waits for has changed."""

    def begin(self, started_run: StartedRun) -> None:
        """The run's first step is durable."""

    def show(self, recorded: Sequence[Recorded]) -> None:
        """These events are durable."""

    def ask(self, approval: PendingApproval) -> None:
        """An approval waits for a person; told once for each, soon after the event that says so."""

    def reload(self) -> None:
        """SIGHUP came: the log, if there is one, has been opened anew."""

    def end(self, *, is_still_served: bool) -> None:
        """The run is driven no longer; perhaps the process stays to serve it as it is."""

    def close(self) -> None:
        """Write what is left; nothing more will be reported."""

    def release(self) -> None:
        """The process ends at once: write what is left and leave the terminal as it was.

        It comes from any thread, also in the midst of another call.
        """


class Log(Protocol):
    """A file that a service reports to; where it lies may depend on the run's id."""

    @property
    def path(self) -> Path | None:
        """Where it lies, once it is settled; None where it is no file."""

    def settle(self, run_id: str, folder: RunFolder) -> None:
        """The run's id is known and its pidfile is ours; nothing is begun yet.

        Raises:
            UserError: the file cannot be opened.
        """

    def reopen(self) -> None:
        """Go over to a new file, after the old one was moved away."""

    def discard(self) -> None:
        """No run was begun: leave no file behind that was not there before."""
