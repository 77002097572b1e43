"""How a run is to be started, and how it is to be driven."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class StartMode(StrEnum):
    """Whether a run may, must or must not exist."""

    NEW = "new"
    RESUME = "resume"
    EITHER = "either"


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is started and driven: made once, where somebody asks for a run, and handed whole to the engine."""

    mode: StartMode = StartMode.NEW
    from_run: str | None = None
    """The ended run whose results a new one takes over, by its id or the beginning of it."""
    redo: tuple[str, ...] = ()
    """Nodes of `from_run` that run again, with all that follows from them."""
    is_forced: bool = False
    """Whether to take the run from a process that drives it."""
    max_concurrency: int | None = None
    """How many attempts run at once; it wins over the workflow's own limit, and None leaves it to that."""
    suspend_when_waiting: bool = False
    """Whether to suspend the run when only waits remain."""
    captures_output: bool = False
    """Whether what tasks print and log becomes part of their attempts."""


DEFAULT_OPTIONS: Final = RunOptions()
"""A new run from Python: as the workflow says, and its output is the process's own."""
