"""The options of a process that runs a workflow: all flags of `smithers up`, serialisable as JSON."""

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter

from smithersd.engine.run_options import RunOptions, StartMode
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

    `workflow` is "path.py" or "path.py:name". `run_id` None means a new id, or the only run that can be resumed.
    `from_run` may be a prefix. `input` is JSON text, None if none was given. `store` is a store URL, None for the
    default one in the state folder at the path `state_folder`. `pid_file` and `log_file` are absolute paths, None for
    the run's own in the state folder; `log_format` None means "human", if there is a log.
    """

    workflow: str
    state_folder: str
    store: str | None = None
    run_id: str | None = None
    mode: StartMode = StartMode.NEW
    from_run: str | None = None
    redo: tuple[str, ...] = ()
    """Nodes of `from_run` that run again."""
    input: str | None = None
    is_forced: bool = False
    is_standby: bool = False
    """Whether to wait while another process drives the run, and to resume it when that process is gone."""
    waits_for_store: bool = False
    """Whether to wait for a store that is unavailable at the start."""
    lease_s: float = LEASE_S
    """How long the lease of the run lasts without renewal."""
    run: RunOptions = RunOptions(captures_output=True)
    hooks: Hooks = Hooks()
    serve: ServeOptions | None = None
    ends_when_failed: bool = False
    """Whether to exit when the run has failed, even if it is served: the exit code informs a service manager."""
    pid_file: str | None = None
    log_file: str | None = None
    log_format: LogFormat | None = None
    is_debugging: bool = False

    def to_json(self) -> bytes:
        """Serialise the options, token included, for a pipe between two of our processes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(text: bytes) -> "ServiceOptions":
        """Parse the options."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(ServiceOptions)
