"""A run's status and driver, as `ps` lists them, without reading the run's log."""

from dataclasses import dataclass

from smithersd.core.log.states import RunStatus
from smithersd.errors import ErrorInfo
from smithersd.posix.process.identity import ProcessIdentity

INTERRUPTED = "interrupted"
"""The status that is shown of a run that is running or waiting by its log, but that no process drives."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The process that is named on a run's lease: it drives the run, or has died, or no longer renews the lease.

    `identity` distinguishes it from every other process, also from a later one with its pid. `is_local` says that its
    pid means something to this process, `is_dead` that it is known to have ended. `lease_left_ms` is measured by the
    store's clock, and negative once the lease has run out.
    """

    identity: ProcessIdentity
    host: str
    pid: int
    is_local: bool
    is_dead: bool
    lease_left_ms: int

    @property
    def name(self) -> str:
        """The process's name in messages."""
        return f"process {self.pid} on {self.host}"

    @property
    def is_driving(self) -> bool:
        """Whether it drives the run: its lease has not run out, and it is not known to have ended."""
        return self.lease_left_ms > 0 and not self.is_dead


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run's row in the store. `input` is JSON text; `holder` is None if the lease names nobody."""

    run_id: str
    workflow_name: str
    workflow_path: str | None
    status: RunStatus
    input: str
    from_run_id: str | None
    started_at_ms: int
    finished_at_ms: int | None
    error: ErrorInfo | None
    last_seq: int
    holder: LeaseHolder | None

    @property
    def driver(self) -> LeaseHolder | None:
        """The process that drives the run; None if there is none."""
        return self.holder if self.holder is not None and self.holder.is_driving else None

    @property
    def is_interrupted(self) -> bool:
        """Whether the run is running or waiting by its log, but no process drives it."""
        return not self.status.is_at_rest and self.driver is None

    @property
    def status_text(self) -> str:
        """The status to show: a run whose driver has died is never shown as running."""
        return INTERRUPTED if self.is_interrupted else self.status.value
