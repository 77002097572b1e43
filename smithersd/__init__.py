"""smithersd runs one durable workflow as a service.

An author writes a workflow file with what this module exports; `smithers up workflow.py --serve` runs it. From Python:
`run_workflow` drives a run, `create_serve_app` serves one, `open_store` opens what remembers.
"""

from typing import TYPE_CHECKING

from smithersd.elements import (
    Approval,
    Branch,
    Context,
    Decision,
    Element,
    NodeState,
    Parallel,
    Sequence,
    Shell,
    Task,
    Workflow,
    workflow,
)
from smithersd.engine import RunResult, run_workflow
from smithersd.errors import OutputNotReady, SmithersError
from smithersd.executors import task_context
from smithersd.store import Store, open_store

if TYPE_CHECKING:
    from smithersd.serve import create_serve_app

__version__ = "0.1.0"

__all__ = [
    "Approval",
    "Branch",
    "Context",
    "Decision",
    "Element",
    "NodeState",
    "OutputNotReady",
    "Parallel",
    "RunResult",
    "Sequence",
    "Shell",
    "SmithersError",
    "Store",
    "Task",
    "Workflow",
    "create_serve_app",
    "open_store",
    "run_workflow",
    "task_context",
    "workflow",
]


def __getattr__(name: str) -> object:
    """Import the serve app only when it is asked for: a workflow file needs no web server."""
    if name == "create_serve_app":
        from smithersd.serve import create_serve_app  # noqa: PLC0415 - see above

        return create_serve_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
