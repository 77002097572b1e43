"""Every error that smithersd raises, as one tree with stable codes.

    SmithersError
    +-- UserError                  what the author or operator can correct (exit code 4)
    |   +-- WorkflowError          WORKFLOW_ERROR: the workflow function, its tree or its arguments
    |   |   +-- OutputNotReady     OUTPUT_NOT_READY
    |   |   +-- UnknownDependency  WORKFLOW_ERROR: a node depends on what is not in the tree
    |   +-- InvalidInput           INVALID_INPUT
    |   +-- InvalidRequest         INVALID_REQUEST
    |   +-- RunExists              RUN_EXISTS
    |   +-- RunNotFound            RUN_NOT_FOUND
    |   +-- NodeNotFound           NODE_NOT_FOUND
    |   +-- ResultNotFound         RESULT_NOT_FOUND
    |   +-- RunNotActive           RUN_NOT_ACTIVE
    |   +-- RunIsDriven            RUN_IS_DRIVEN: a live driver holds the run
    |   +-- DaemonRuns             DAEMON_RUNS: another process holds the run's pidfile
    |   +-- ApprovalAmbiguous      APPROVAL_AMBIGUOUS
    |   +-- ApprovalAlreadyDecided APPROVAL_ALREADY_DECIDED
    |   +-- ApprovalNotPending     APPROVAL_NOT_PENDING
    |   +-- TimerNotPending        TIMER_NOT_PENDING
    |   +-- TooManySignals         TOO_MANY_SIGNALS: as many are kept as may be
    |   +-- StoreTooNew            STORE_TOO_NEW: written by a later version
    |   +-- StoreInvalid           STORE_INVALID: not a store, or a damaged one
    +-- LeaseLost                  LEASE_LOST: another driver has taken over the run (exit code 5)
    +-- EngineFailed               ENGINE_FAILED: the engine itself has failed (exit code 70)
    +-- RunTimeout                 RUN_TIMEOUT: the run took longer than its workflow's timeout
    +-- StoreUnavailable           STORE_UNAVAILABLE: disk full, I/O error, locked for too long; may be temporary
    +-- TaskError                  the failure of an attempt or a node
        +-- InvalidOutput          INVALID_OUTPUT
        +-- ValueFailed            VALUE_FAILED
        +-- TaskTimeout            TASK_TIMEOUT
        +-- ShellFailed            SHELL_FAILED
        +-- SecretUnavailable      SECRET_UNAVAILABLE: a secret of an attempt was not found or cannot be read
        +-- ApprovalDenied         APPROVAL_DENIED
        +-- SignalTimeout          SIGNAL_TIMEOUT
        +-- InterruptedTooOften    INTERRUPTED_TOO_OFTEN

A message says what happened and to which thing; `remedy` says what to do about it. An exception of an author's own
function becomes an `ErrorInfo` with the code TASK_FAILED. Unknown errors are shown as SERVER_ERROR with an id that is
also in the log.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

TASK_FAILED = "TASK_FAILED"
"""The code of an exception that an author's own function raised."""

MESSAGE_LENGTH_MAX = 8_000
"""Characters of an error message that are stored and shown; an author's exception may contain a whole document."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored in events and shown to clients, without stack trace and SQL."""

    code: str
    name: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> "ErrorInfo":
        """Return the description of an exception; one that is not a SmithersError gets the code TASK_FAILED."""
        code = error.code if isinstance(error, SmithersError) else TASK_FAILED
        message = str(error) or type(error).__name__
        # No store can keep half a surrogate pair, which any text may contain.
        return cls(code, type(error).__name__, message[:MESSAGE_LENGTH_MAX].encode(errors="replace").decode())


class SmithersError(Exception):
    """The base of all errors: a message, an optional remedy, and optional details for programs."""

    code: ClassVar[str] = "SERVER_ERROR"

    def __init__(self, message: str, *, remedy: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details


class UserError(SmithersError):
    """The author or the operator has made a mistake that they can correct."""

    code = "INVALID_REQUEST"


class WorkflowError(UserError):
    """The workflow function raised, or the tree that it returned cannot be run."""

    code = "WORKFLOW_ERROR"


class OutputNotReady(WorkflowError):
    """`ctx.output(node)` was called for an output that does not exist (yet)."""

    code = "OUTPUT_NOT_READY"

    def __init__(self, node_id: str, message: str | None = None, *, remedy: str | None = None) -> None:
        super().__init__(message or f"The output of {node_id!r} is not ready.", remedy=remedy)
        self.node_id = node_id


class UnknownDependency(WorkflowError):
    """A node depends on a node that is not in the tree."""


class InvalidInput(UserError):
    """The run's input is not valid for the workflow's input type."""

    code = "INVALID_INPUT"


class InvalidRequest(UserError):
    """A flag, a query parameter or a field has a value that is not valid."""

    code = "INVALID_REQUEST"


class RunExists(UserError):
    """The store already has a run with this id."""

    code = "RUN_EXISTS"


class RunNotFound(UserError):
    """The store has no run with this id."""

    code = "RUN_NOT_FOUND"


class NodeNotFound(UserError):
    """The run has no node with this id."""

    code = "NODE_NOT_FOUND"


class ResultNotFound(UserError):
    """The run has no result: it has not ended, did not finish, or its workflow ends without an output."""

    code = "RESULT_NOT_FOUND"


class RunNotActive(UserError):
    """The run has ended or is being cancelled, so it accepts no requests."""

    code = "RUN_NOT_ACTIVE"


class RunIsDriven(UserError):
    """Another live process drives the run."""

    code = "RUN_IS_DRIVEN"


class DaemonRuns(UserError):
    """Another live process holds the run's pidfile."""

    code = "DAEMON_RUNS"


class ApprovalAmbiguous(UserError):
    """Several approvals are pending, and the request does not name one."""

    code = "APPROVAL_AMBIGUOUS"


class ApprovalAlreadyDecided(UserError):
    """A different decision was made before; details say by whom, when and what."""

    code = "APPROVAL_ALREADY_DECIDED"


class ApprovalNotPending(UserError):
    """The node is not waiting for a decision."""

    code = "APPROVAL_NOT_PENDING"


class TimerNotPending(UserError):
    """The node is not a timer that is waiting."""

    code = "TIMER_NOT_PENDING"


class TooManySignals(UserError):
    """The run keeps as many signals as it may that no node has taken."""

    code = "TOO_MANY_SIGNALS"


class StoreTooNew(UserError):
    """The store was written by a later version of smithersd."""

    code = "STORE_TOO_NEW"


class StoreInvalid(UserError):
    """The URL or file cannot be opened as a store, or the store's data of a run is damaged."""

    code = "STORE_INVALID"


class LeaseLost(SmithersError):
    """Another driver has taken over the run, so a write of this one was refused."""

    code = "LEASE_LOST"


class EngineFailed(SmithersError):
    """The engine itself has failed, or code of the workflow has ended it; the run can be resumed."""

    code = "ENGINE_FAILED"

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return the error for an exception that has ended the engine."""
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(
            f"The engine has failed: {what}.",
            remedy="Resume the run with --resume; its finished nodes are not run again.",
        )


class StartFailed(SmithersError):
    """A daemon ended before its run had started, without reporting why."""

    code = "START_FAILED"


class NotStopped(SmithersError):
    """A run's process, or its driver on another host, has not ended in time."""

    code = "NOT_STOPPED"


class StoreUnavailable(SmithersError):
    """The store refused for a reason that may be temporary: disk full, I/O error, locked for too long."""

    code = "STORE_UNAVAILABLE"


class RunTimeout(SmithersError):
    """A run took longer than the timeout of its workflow."""

    code = "RUN_TIMEOUT"


class TaskError(SmithersError):
    """An attempt or a node has failed for a reason other than an author's exception."""

    code = TASK_FAILED


class InvalidOutput(TaskError):
    """A task returned a value that its schema or JSON does not allow."""

    code = "INVALID_OUTPUT"


class ValueFailed(TaskError):
    """A function failed to compute a value from an output, for a node's arguments or a condition."""

    code = "VALUE_FAILED"


class TaskTimeout(TaskError):
    """An attempt took longer than its timeout."""

    code = "TASK_TIMEOUT"


class ShellFailed(TaskError):
    """A shell command ended with an exit code other than 0, or by a signal.

    `exit_code` is the value of `$?` in a shell: 128 + n if signal n ended the command. None if it could not be started.
    """

    code = "SHELL_FAILED"
    exit_code: int | None = None

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class SecretUnavailable(TaskError):
    """A secret of an attempt was not found, or cannot be read."""

    code = "SECRET_UNAVAILABLE"


class ApprovalDenied(TaskError):
    """A person has denied an approval whose on_deny is "fail"."""

    code = "APPROVAL_DENIED"


class SignalTimeout(TaskError):
    """No signal came in time, and the node's on_timeout is "fail"."""

    code = "SIGNAL_TIMEOUT"


class InterruptedTooOften(TaskError):
    """The process died four times in a row while this node ran."""

    code = "INTERRUPTED_TOO_OFTEN"


def rebuilt(code: str, message: str, remedy: str | None) -> SmithersError:
    """Return an error that another process of smithersd has raised; for an unknown code, a SmithersError."""
    error: SmithersError = SmithersError.__new__(_class_of(code))
    SmithersError.__init__(error, message, remedy=remedy)
    return error


def _class_of(code: str) -> type[SmithersError]:
    """Return the first class of the tree that has a code; a parent comes before children with the same code."""
    level: list[type[SmithersError]] = [SmithersError]
    while level:
        found = next((candidate for candidate in level if candidate.code == code), None)
        if found is not None:
            return found
        level = [child for parent in level for child in parent.__subclasses__()]
    return SmithersError
