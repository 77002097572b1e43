"""What a process that runs a workflow is told: everything that `smithers up` was given, ready to travel as JSON."""

from dataclasses import dataclass, field
from enum import StrEnum

from pydantic import TypeAdapter

from smithersd.engine.run_options import RunOptions, StartMode
from smithersd.limits import HOST_DEFAULT, LEASE_S, PORT_DEFAULT


class LogFormat(StrEnum):
    """Who a log is written for."""

    HUMAN = "human"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How the run is served. The token shows in no representation."""

    host: str = HOST_DEFAULT
    port: int = PORT_DEFAULT
    auth_token: str | None = field(default=None, repr=False)
    has_metrics: bool = True
    is_insecure: bool = False
    allowed_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hooks:
    """Commands of the shell that tell somebody: that a person is waited for, that the run failed, that it ended."""

    on_wait: str | None = None
    on_fail: str | None = None
    on_end: str | None = None


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """One process: a workflow, a run of it, and whether it is served.

    `workflow` is "path.py" or "path.py:name". `run_id` None makes one, or names the only run that can be resumed.
    `from_run` may be a prefix. `input` is JSON text, None where none was given. `store` is a store URL, None for the
    default one in the state folder, whose path `state_folder` is. `pid_file` and `log_file` are absolute
    paths, None for the run's own in the state folder; `log_format` None is "human", where there is a log.
    """

    workflow: str
    state_folder: str
    store: str | None = None
    run_id: str | None = None
    mode: StartMode = StartMode.NEW
    from_run: str | None = None
    redo: tuple[str, ...] = ()
    """Nodes of `from_run` that are done again."""
    input: str | None = None
    is_forced: bool = False
    is_standby: bool = False
    """Whether it waits while another process drives the run, and takes it up when that one is gone."""
    waits_for_store: bool = False
    """Whether it is to live: then a store that is away at the start is waited for."""
    lease_s: float = LEASE_S
    """How long the run stays this process's without a sign of life."""
    run: RunOptions = RunOptions(captures_output=True)
    hooks: Hooks = Hooks()
    serve: ServeOptions | None = None
    ends_when_failed: bool = False
    """Whether it ends with a run that failed, served or not: its exit code tells a service manager."""
    pid_file: str | None = None
    log_file: str | None = None
    log_format: LogFormat | None = None
    is_debugging: bool = False

    def to_json(self) -> bytes:
        """Write the options, token included, for a pipe between two of our processes."""
        return _ADAPTER.dump_json(self)

    @staticmethod
    def from_json(text: bytes) -> "ServiceOptions":
        """Read the options back."""
        return _ADAPTER.validate_json(text)


_ADAPTER = TypeAdapter(ServiceOptions)
