"""The protocols by which a service reports what it does: to a terminal, to a log file."""

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
    """A run that this process started or resumed; `engine` drives it, and its state changes as the run goes on."""

    engine: Engine
    workflow: str
    """The workflow as given on the command line: "path.py" or "path.py:name"."""
    storage: Storage
    """Where the run is kept."""
    url: str | None
    """The URL at which the run is served; None if it is not."""


@dataclass(frozen=True, slots=True)
class StandingBy:
    """A run that another process drives, or that is suspended, while this process waits to resume it."""

    run_id: str
    workflow: str
    """The workflow as given on the command line."""
    driver: str | None
    """The process that drives the run ("process 42 on host"); None while it is suspended."""
    url: str | None
    """The URL at which this process serves the run while it waits; None if it does not."""


class Report(Protocol):
    """A receiver of what a service does.

    Methods are called in the loop's thread and raise nothing: a closed terminal or pipe does not stop a run.
    """

    def warn(self, text: str) -> None:
        """Show a warning to the operator; it may have several lines, and may be called from any thread."""

    def wait_for_store(self, problem: str | None) -> None:
        """Report that the store is unavailable at the start; called at each try, with None if it persists."""

    def stand_by(self, waiting: StandingBy) -> None:
        """Report that this process stands by; called again when the run's driver or status has changed."""

    def begin(self, started_run: StartedRun) -> None:
        """Report that the run's first step is durable."""

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Report that these events are durable."""

    def ask(self, approval: PendingApproval) -> None:
        """Report that an approval waits for a person; called once for each, soon after its event."""

    def reload(self) -> None:
        """Report that SIGHUP was received and the log, if there is one, was reopened."""

    def end(self, *, is_still_served: bool, result: str | None) -> None:
        """Report that the run is no longer driven; `is_still_served` if the process continues to serve it.

        `result` is the run's result as JSON, None if there is none.
        """

    def close(self) -> None:
        """Write what is buffered; nothing is reported after this."""

    def release(self) -> None:
        """Write what is buffered and restore the terminal, because the process exits at once.

        It may be called from any thread, also during another call.
        """


class ServiceLog(Protocol):
    """A log file of a service; its path may depend on the run's id."""

    @property
    def path(self) -> Path | None:
        """The log file's path, once `settle` was called; None if the log is not a file."""

    def settle(self, run_id: str, folder: RunFolder) -> None:
        """Open the log, now that the run's id is known and its pidfile is held; the run has not started yet.

        Raises:
            UserError: the file cannot be opened.
        """

    def reopen(self) -> None:
        """Open the log's path again, after the old file was moved away."""

    def discard(self) -> None:
        """Remove the log file if this process created it, because no run was started."""
