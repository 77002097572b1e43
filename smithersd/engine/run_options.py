"""Options of a run: how to start it, and how to drive it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StartMode(StrEnum):
    """Whether the run may exist already."""

    NEW = "new"
    """It must not exist: a new run is started."""
    RESUME = "resume"
    """It must exist: it is resumed."""
    EITHER = "either"
    """It is resumed if it exists, else started."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How to start and drive a run; passed unchanged from the command or caller to the engine."""

    mode: StartMode = StartMode.NEW
    from_run: str | None = None
    """The ended run whose results a new one reuses, by its id or a unique prefix of it."""
    redo: tuple[str, ...] = ()
    """Ids of nodes of `from_run` to run again, with every node that depends on them."""
    is_forced: bool = False
    """Whether to take over a run that another process drives."""
    max_concurrency: int | None = None
    """How many attempts may run at once; it overrides the workflow's limit, which counts if this is None."""
    suspend_when_waiting: bool = False
    """Whether to suspend the run when only waits remain."""
    captures_output: bool = False
    """Whether what tasks print and log is recorded with their attempts instead of going to the process's output."""


DEFAULT_OPTIONS: Final = RunOptions()
"""The options of a run that is started from Python without options of its own."""
