"""How a run stands, with who drives it: what `ps` lists, without reading the run's log."""

from dataclasses import dataclass

from smithersd.core.log.states import RunStatus
from smithersd.errors import ErrorInfo
from smithersd.posix.process.identity import ProcessIdentity

INTERRUPTED = "interrupted"
"""The status that people are told of a run which its log leaves running or waiting, and which nobody drives."""


@dataclass(frozen=True, slots=True)
class LeaseHolder:
    """The process whose name is on a run's lease: it drives the run, or has died or fallen silent.

    `identity` tells it from every other process, a later one of the same number too. `is_local` says that its number
    means something here, `is_dead` that it is known to have ended. `lease_left_ms` is by the store's clock, and
    negative once the lease has run out.
    """

    identity: ProcessIdentity
    host: str
    pid: int
    is_local: bool
    is_dead: bool
    lease_left_ms: int

    @property
    def name(self) -> str:
        """How people are told of it."""
        return f"process {self.pid} on {self.host}"

    @property
    def is_driving(self) -> bool:
        """Whether it drives the run: its lease has time left, and it is not known to have ended."""
        return self.lease_left_ms > 0 and not self.is_dead


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run as its store knows it. `input` is JSON text; `holder` is None while nobody's name is on the lease."""

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
        """The process that drives the run, None where nobody does."""
        return self.holder if self.holder is not None and self.holder.is_driving else None

    @property
    def is_interrupted(self) -> bool:
        """Whether the log says that the run goes on, but nobody is there to drive it."""
        return not self.status.is_at_rest and self.driver is None

    @property
    def status_text(self) -> str:
        """The status as people are told it: a run whose driver has died is never called running."""
        return INTERRUPTED if self.is_interrupted else self.status.value
