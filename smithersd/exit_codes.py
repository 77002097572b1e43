"""What the exit code of a command says."""

from enum import IntEnum
from typing import assert_never

from smithersd.core.log.states import RunStatus
from smithersd.errors import EngineFailed, LeaseLost, SmithersError, UserError


class ExitCode(IntEnum):
    """Exit codes of `smithers`; those of a run tell how it stands."""

    FINISHED = 0
    FAILED = 1
    CANCELLED = 2
    WAITING = 3
    USAGE = 4
    LEASE_LOST = 5
    ENGINE_FAILED = 70
    """An error of ours, or code of the workflow that ended the process: a service manager should start it again."""
    INTERRUPTED = 130
    """SIGINT while the run was live."""
    TERMINATED = 143
    """SIGTERM while the run was live."""


def exit_code_of_status(status: RunStatus) -> ExitCode:
    """Return the code for a run that stands so and is driven no longer."""
    match status:
        case RunStatus.FINISHED | RunStatus.CONTINUED:
            return ExitCode.FINISHED
        case RunStatus.FAILED:
            return ExitCode.FAILED
        case RunStatus.CANCELLED:
            return ExitCode.CANCELLED
        case (
            RunStatus.RUNNING
            | RunStatus.WAITING_APPROVAL
            | RunStatus.WAITING_TIMER
            | RunStatus.WAITING_EVENT
            | RunStatus.SUSPENDED
        ):
            return ExitCode.WAITING
        case _:
            assert_never(status)


def exit_code_of_error(error: SmithersError) -> ExitCode:
    """Return the code for a command that an error ended."""
    match error:
        case UserError():
            return ExitCode.USAGE
        case LeaseLost():
            return ExitCode.LEASE_LOST
        case EngineFailed():
            return ExitCode.ENGINE_FAILED
        case _:
            return ExitCode.FAILED
