"""The exit codes of commands."""

from enum import IntEnum
from typing import assert_never

from smithersd.core.log.states import RunStatus
from smithersd.errors import EngineFailed, LeaseLost, SmithersError, UserError


class ExitCode(IntEnum):
    """The exit codes of `smithers`; commands that drive a run exit with the code of its status."""

    FINISHED = 0
    FAILED = 1
    CANCELLED = 2
    WAITING = 3
    USAGE = 4
    LEASE_LOST = 5
    ENGINE_FAILED = 70
    """A fault of smithersd, or workflow code that ended the process: a service manager should restart it."""
    INTERRUPTED = 130
    """SIGINT before the run had ended."""
    TERMINATED = 143
    """SIGTERM before the run had ended."""


def exit_code_of_status(status: RunStatus) -> ExitCode:
    """Return the code of a command whose run has this status and is no longer driven."""
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
    """Return the code of a command that an error has ended."""
    match error:
        case UserError():
            return ExitCode.USAGE
        case LeaseLost():
            return ExitCode.LEASE_LOST
        case EngineFailed():
            return ExitCode.ENGINE_FAILED
        case _:
            return ExitCode.FAILED
