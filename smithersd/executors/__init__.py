"""Where task code runs, and how it reports: knows nothing of stores, events or plans."""

from smithersd.executors.call import AttemptInfo, Call, FunctionCall, Running, ShellCall, Sink
from smithersd.executors.context import TaskContext, task_context
from smithersd.executors.executors import Executors
from smithersd.executors.outcome import Failed, Outcome, Stopped, Succeeded

__all__ = [
    "AttemptInfo",
    "Call",
    "Executors",
    "Failed",
    "FunctionCall",
    "Outcome",
    "Running",
    "ShellCall",
    "Sink",
    "Stopped",
    "Succeeded",
    "TaskContext",
    "task_context",
]
