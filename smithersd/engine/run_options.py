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
    """How a run is driven: handed through whole, from the command line to the engine.

    `max_concurrency` is how many attempts run at once; it wins over the workflow's own, and None leaves that to it.
    With `suspend_when_waiting` the run is suspended when only waits remain. With `captures_output` what tasks print
    and log becomes part of their attempts.
    """

    max_concurrency: int | None = None
    suspend_when_waiting: bool = False
    captures_output: bool = False


DEFAULT_OPTIONS: Final = RunOptions()
"""A run from Python: as the workflow says, and its output is the process's own."""
