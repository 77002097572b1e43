"""smithersd runs one durable workflow as a service.

An author writes a workflow file with what this module exports; `smithers up workflow.py --serve` runs it. From Python:
`run_workflow` drives a run, `create_serve_app` serves one, `open_store` opens what remembers.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from smithersd.elements import (
        Approval,
        Branch,
        Context,
        Decision,
        Element,
        Group,
        NodeState,
        Parallel,
        Permanent,
        RetryAfter,
        Secret,
        Sequence,
        Shell,
        Signal,
        Task,
        Timer,
        Value,
        Workflow,
        workflow,
    )
    from smithersd.engine import RunResult, run_workflow
    from smithersd.errors import InvalidOutput, OutputNotReady, ShellFailed, SmithersError, TaskTimeout
    from smithersd.executors import task_context
    from smithersd.serve import create_serve_app
    from smithersd.store import Store, open_store

__version__ = "0.1.0"

__all__ = [
    "Approval",
    "Branch",
    "Context",
    "Decision",
    "Element",
    "Group",
    "InvalidOutput",
    "NodeState",
    "OutputNotReady",
    "Parallel",
    "Permanent",
    "RetryAfter",
    "RunResult",
    "Secret",
    "Sequence",
    "Shell",
    "ShellFailed",
    "Signal",
    "SmithersError",
    "Store",
    "Task",
    "TaskTimeout",
    "Timer",
    "Value",
    "Workflow",
    "create_serve_app",
    "open_store",
    "run_workflow",
    "task_context",
    "workflow",
]

_HOMES = {
    "smithersd.engine": ("RunResult", "run_workflow"),
    "smithersd.errors": ("InvalidOutput", "OutputNotReady", "ShellFailed", "SmithersError", "TaskTimeout"),
    "smithersd.executors": ("task_context",),
    "smithersd.serve": ("create_serve_app",),
    "smithersd.store": ("Store", "open_store"),
}
"""Where a name is at home; all others are elements."""


def __getattr__(name: str) -> Any:
    """Import what is asked for, and no more: a workflow file needs no web server, `smithers --help` no engine."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in _HOMES.items() if name in names), "smithersd.elements")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value
