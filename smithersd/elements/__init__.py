"""What an author writes: tasks, containers, approvals, timers, and the function that returns a tree of them."""

from smithersd.elements.approval import Approval, Decision
from smithersd.elements.branch import Branch
from smithersd.elements.context import Context
from smithersd.elements.element import Child, Element, Node
from smithersd.elements.group import Group
from smithersd.elements.kinds import NodeState, OnDeny
from smithersd.elements.options.retry_on import Permanent, RetryAfter
from smithersd.elements.options.task_options import TaskOptions
from smithersd.elements.parallel import Parallel
from smithersd.elements.secret import Secret
from smithersd.elements.sequence import Sequence
from smithersd.elements.shell import Shell
from smithersd.elements.signal import Signal
from smithersd.elements.task import Task
from smithersd.elements.timer import Timer
from smithersd.elements.value import Value
from smithersd.elements.workflow import Workflow, workflow

__all__ = [
    "Approval",
    "Branch",
    "Child",
    "Context",
    "Decision",
    "Element",
    "Group",
    "Node",
    "NodeState",
    "OnDeny",
    "Parallel",
    "Permanent",
    "RetryAfter",
    "Secret",
    "Sequence",
    "Shell",
    "Signal",
    "Task",
    "TaskOptions",
    "Timer",
    "Value",
    "Workflow",
    "workflow",
]
