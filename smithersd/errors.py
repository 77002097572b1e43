"""Every error that smithersd raises, as one tree with stable codes.

    SmithersError
    +-- UserError                  what the author or operator can mend (exit code 4)
    |   +-- WorkflowError          WORKFLOW_ERROR: the workflow function, its tree or its arguments
    |   |   +-- OutputNotReady     OUTPUT_NOT_READY
    |   |   +-- UnknownDependency  WORKFLOW_ERROR: a node depends on what is not in the tree
    |   +-- InvalidInput           INVALID_INPUT
    |   +-- InvalidRequest         INVALID_REQUEST
    |   +-- RunExists              RUN_EXISTS
    |   +-- RunNotFound            RUN_NOT_FOUND
    |   +-- NodeNotFound           NODE_NOT_FOUND
    |   +-- RunNotActive           RUN_NOT_ACTIVE
    |   +-- RunIsDriven            RUN_IS_DRIVEN: a live driver holds the run
    |   +-- DaemonRuns             DAEMON_RUNS: another process holds the run's pidfile
    |   +-- ApprovalAmbiguous      APPROVAL_AMBIGUOUS
    |   +-- ApprovalAlreadyDecided APPROVAL_ALREADY_DECIDED
    |   +-- ApprovalNotPending     APPROVAL_NOT_PENDING
    |   +-- TimerNotPending        TIMER_NOT_PENDING
    |   +-- StoreTooNew            STORE_TOO_NEW: written by a later version
    |   +-- StoreInvalid           STORE_INVALID: what cannot be a store, or a damaged one
    +-- LeaseLost                  LEASE_LOST: another driver took the run (exit code 5)
    +-- EngineFailed           ENGINE_FAILED: the engine itself has failed (exit code 70)
    +-- StoreUnavailable           STORE_UNAVAILABLE: disk full, I/O error, locked out; worth another try
    +-- TaskError                  what ends an attempt or a node
        +-- InvalidOutput          INVALID_OUTPUT
        +-- ValueFailed            VALUE_FAILED
        +-- TaskTimeout            TASK_TIMEOUT
        +-- ShellFailed            SHELL_FAILED
        +-- ApprovalDenied         APPROVAL_DENIED
        +-- InterruptedTooOften    INTERRUPTED_TOO_OFTEN

A message says what happened and to which thing; `remedy` says what to do about it. What an author's own
function raises becomes an `ErrorInfo` with the code TASK_FAILED. Unknown errors are shown as SERVER_ERROR with
an id that the log has too.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

TASK_FAILED = "TASK_FAILED"
"""The code of an exception that an author's own function raised."""

MESSAGE_LENGTH_MAX = 8_000
"""Characters of an error message that are stored and shown; an author's exception may carry a whole document."""


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as it is stored in events and shown to clients: never a stack trace, never SQL."""

    code: str
    name: str
    message: str

    @classmethod
    def of(cls, error: BaseException) -> "ErrorInfo":
        """Describe any exception: ours by its code, an author's as TASK_FAILED."""
        code = error.code if isinstance(error, SmithersError) else TASK_FAILED
        message = str(error) or type(error).__name__
        # Half a surrogate pair may come from anywhere, and no store can hold it.
        return cls(code, type(error).__name__, message[:MESSAGE_LENGTH_MAX].encode(errors="replace").decode())


class SmithersError(Exception):
    """Base of all: a message, an optional remedy, optional details for machines."""

    code: ClassVar[str] = "SERVER_ERROR"

    def __init__(self, message: str, *, remedy: str | None = None, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.details = details


class UserError(SmithersError):
    """Something that the author or the operator can mend."""

    code = "INVALID_REQUEST"


class WorkflowError(UserError):
    """The workflow function raised, or the tree that it returned cannot be run."""

    code = "WORKFLOW_ERROR"


class OutputNotReady(WorkflowError):
    """`ctx.output(node)` was asked for an output that does not exist (yet)."""

    code = "OUTPUT_NOT_READY"

    def __init__(self, node_id: str, message: str | None = None, *, remedy: str | None = None) -> None:
        super().__init__(message or f"The output of {node_id!r} is not ready.", remedy=remedy)
        self.node_id = node_id


class UnknownDependency(WorkflowError):
    """A node depends on something that is not in the tree."""


class InvalidInput(UserError):
    """The run's input does not fit the workflow's input type."""

    code = "INVALID_INPUT"


class InvalidRequest(UserError):
    """A flag, a query parameter or a field that cannot be what it should be."""

    code = "INVALID_REQUEST"


class RunExists(UserError):
    """A run of this id is already in the store."""

    code = "RUN_EXISTS"


class RunNotFound(UserError):
    """No run of this id is in the store."""

    code = "RUN_NOT_FOUND"


class NodeNotFound(UserError):
    """The run has no node of this id."""

    code = "NODE_NOT_FOUND"


class RunNotActive(UserError):
    """The run has ended (or a cancel is on its way), so nothing more can be asked of it."""

    code = "RUN_NOT_ACTIVE"


class RunIsDriven(UserError):
    """Another live process drives the run."""

    code = "RUN_IS_DRIVEN"


class DaemonRuns(UserError):
    """Another live process holds the run's pidfile."""

    code = "DAEMON_RUNS"


class ApprovalAmbiguous(UserError):
    """Several approvals are pending and the request names none of them."""

    code = "APPROVAL_AMBIGUOUS"


class ApprovalAlreadyDecided(UserError):
    """Somebody else's decision stands; details say who, when and what."""

    code = "APPROVAL_ALREADY_DECIDED"


class ApprovalNotPending(UserError):
    """The node is not waiting for a decision."""

    code = "APPROVAL_NOT_PENDING"


class TimerNotPending(UserError):
    """The node is not a timer that is waiting."""

    code = "TIMER_NOT_PENDING"


class StoreTooNew(UserError):
    """The store was written by a later version of smithersd."""

    code = "STORE_TOO_NEW"


class StoreInvalid(UserError):
    """The store URL or file cannot be opened as a store, or what it holds of a run is damaged."""

    code = "STORE_INVALID"


class LeaseLost(SmithersError):
    """Another driver holds the run now: what this one wrote was refused."""

    code = "LEASE_LOST"


class EngineFailed(SmithersError):
    """The engine itself has failed, or code of the workflow has ended it: its run goes on with the next driver."""

    code = "ENGINE_FAILED"

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Describe what ended the engine."""
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        return cls(
            f"The engine has failed: {what}.",
            remedy="Nothing that is done is lost: a run that had begun goes on with --resume.",
        )


class StartFailed(SmithersError):
    """A daemon ended before its run had begun, without saying why."""

    code = "START_FAILED"


class NotStopped(SmithersError):
    """A run's process, or its driver elsewhere, has not ended in time."""

    code = "NOT_STOPPED"


class StoreUnavailable(SmithersError):
    """The store refused for a reason that may pass: disk full, I/O error, locked for too long."""

    code = "STORE_UNAVAILABLE"


class TaskError(SmithersError):
    """What ends an attempt or a node, apart from an author's own exception."""

    code = TASK_FAILED


class InvalidOutput(TaskError):
    """A task returned what its schema does not allow, or what JSON cannot hold."""

    code = "INVALID_OUTPUT"


class ValueFailed(TaskError):
    """What a function was to make of an output, for a node's arguments or a condition, could not be made."""

    code = "VALUE_FAILED"


class TaskTimeout(TaskError):
    """An attempt took longer than its timeout."""

    code = "TASK_TIMEOUT"


class ShellFailed(TaskError):
    """A shell command ended with a code other than 0, or by a signal.

    `exit_code` is what a shell has in `$?`: 128 + n where signal n ended the command. None: it could not be started.
    """

    code = "SHELL_FAILED"
    exit_code: int | None = None

    def __init__(self, message: str, *, exit_code: int | None = None) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class ApprovalDenied(TaskError):
    """A person said no, and the approval's on_deny is "fail"."""

    code = "APPROVAL_DENIED"


class InterruptedTooOften(TaskError):
    """The process died four times in a row while this node ran."""

    code = "INTERRUPTED_TOO_OFTEN"


def rebuilt(code: str, message: str, remedy: str | None) -> SmithersError:
    """Make the error anew that another of our processes has raised; a code of a later version makes the base."""
    error: SmithersError = SmithersError.__new__(_class_of(code))
    SmithersError.__init__(error, message, remedy=remedy)
    return error


def _class_of(code: str) -> type[SmithersError]:
    """The first class of the tree that has a code: a parent comes before children that share its code."""
    level: list[type[SmithersError]] = [SmithersError]
    while level:
        found = next((one for one in level if one.code == code), None)
        if found is not None:
            return found
        level = [child for parent in level for child in parent.__subclasses__()]
    return SmithersError
