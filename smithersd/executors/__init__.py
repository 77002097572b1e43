"""Run the code of attempts and report what it does. Stores, events and plans are unknown here."""

from smithersd.core.flow.work import FunctionCall, ShellCall
from smithersd.executors.call import AttemptInfo, Call, Failed, Outcome, Running, Sink, Stopped, Succeeded, Unreadable
from smithersd.executors.context import TaskContext, task_context
from smithersd.executors.coroutine import node_of_task
from smithersd.executors.executors import EXECUTORS, Executors
from smithersd.executors.failure import failure_of

__all__ = [
    "EXECUTORS",
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
    "Unreadable",
    "failure_of",
    "node_of_task",
    "task_context",
]
