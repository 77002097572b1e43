"""The options of a process that runs a workflow: all flags of `smithers up`, serialisable as JSON."""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter

from smithersd.daemon.state.storage import Storage
from smithersd.engine.run_options import RunOptions
from smithersd.limits import HOST_DEFAULT, LEASE_S, PORT_DEFAULT


class LogFormat(StrEnum):
    """The format of a log: for people or for machines."""

    HUMAN = "human"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the run is served. The token is not part of the repr."""

    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT
    auth_token: str | None = field(default=None, repr=False)
    has_metrics: bool = True
    is_insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Shell commands to run when a node waits for a person, when the run has failed, and when it has ended."""

    on_wait: str | None = None
    on_fail: str | None = None
    on_end: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """The options of one process: a workflow, a run of it, and whether it is served.

    Its paths are absolute, and so is the URL of its storage: a daemon reads them too.
    """

    workflow: str
    """The workflow as given on the command line: "path.py" or "path.py:name"."""
    storage: Storage
    run_id: str | None = None
    """The run's id as given; None for a new id, or for the only run that can be resumed."""
    input: str | None = None
    """The workflow's input as JSON text, None if none was given."""
    run: RunOptions = RunOptions(captures_output=True)
    is_standby: bool = False
    """Whether to wait while another process drives the run, and to resume it when that process is gone."""
    waits_for_store: bool = False
    """Whether to wait for a store that is unavailable at the start."""
    lease_s: float = LEASE_S
    """How long the lease of the run lasts without renewal."""
    hooks: Hooks = Hooks()
    serve: ServeOptions | None = None
    ends_when_failed: bool = False
    """Whether to exit when the run has failed, even if it is served: the exit code informs a service manager."""
    pid_file: Path | None = None
    """The process's pidfile, None for that of the run."""
    log_file: Path | None = None
    """The file of the log, None for that of the run in a daemon, and for none in the foreground."""
    log_format: LogFormat | None = None
    """The format of the log; None for people, if there is a log."""
    is_debugging: bool = False

    def to_json(self) -> bytes:
        """Serialise the options, token included, for a pipe between two of our processes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(text: bytes) -> "ServiceOptions":
        """Parse the options."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(ServiceOptions)
