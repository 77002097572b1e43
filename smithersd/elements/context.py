"""The context: what a workflow function, a lazy subtree and a condition may read of the run."""

from typing import Any, Generic, Protocol, TypeVar, overload

from smithersd.elements.element import Element, Reference
from smithersd.elements.kinds import NodeState
from smithersd.elements.texts import plain_text, shown
from smithersd.elements.value import Value
from smithersd.elements.values.copies import Copies
from smithersd.errors import WorkflowError

InputT_co = TypeVar("InputT_co", covariant=True)
T = TypeVar("T")
DefaultT = TypeVar("DefaultT")


_NOT_READ: Any = object()


class Reads(Protocol):
    """Where a context reads from. It records what was read, so that a change leads to a new rendering."""

    def output(self, reference: Reference) -> Any:
        """Return a node's output.

        Raises:
            OutputNotReady: the node has no output (yet).
        """

    def latest(self, reference: Reference) -> tuple[bool, Any]:
        """Return whether the node has an output, and the latest one."""

    def state(self, reference: Reference) -> NodeState | None:
        """Return the node's state; None for a node that the run does not have (yet)."""


class Context(Generic[InputT_co]):
    """What a workflow function reads of the run; `Context[Bug]` says that its input is a `Bug`.

    A workflow function is pure: it reads through the context only, and is called again when something that it read has
    changed.

    Examples:
        >>> from smithersd import Sequence, Task, workflow
        >>> @workflow
        ... def greet(ctx: Context[str]):
        ...     name = Task("name", str.title, ctx.input)
        ...     return Sequence(name, lambda ctx: Task("hello", print, f"Hello, {ctx.output(name)}!"))
    """

    __slots__ = ("_given_input", "_own_input", "_reads", "run_id")

    def __init__(self, *, input: Any, run_id: str, reads: Reads) -> None:
        self._given_input = input
        self._own_input: Any = _NOT_READ
        self.run_id = run_id
        """The run's id."""
        self._reads = reads

    @property
    def input(self) -> InputT_co:
        """The run's input, validated. Each rendering has a copy of its own, so that it may change it."""
        if self._own_input is _NOT_READ:
            self._own_input = Copies(lambda node: node).of(self._given_input)
        value: InputT_co = self._own_input
        return value

    @overload
    def output(self, node: Element[T] | Value[T]) -> T: ...
    @overload
    def output(self, node: str) -> Any: ...
    def output(self, node: Reference | Value[Any]) -> Any:
        """Return a node's output, or a value made of it.

        If a lazy subtree or a condition reads an output that does not exist yet, the flow waits for it.

        Raises:
            OutputNotReady: the node has no output (yet).
            WorkflowError: `node` is an element that is not a node, such as a container.
        """
        if isinstance(node, Value):
            return node.of(self.output(node.source))
        return self._reads.output(_checked(node))

    @overload
    def latest(self, node: Element[T] | Value[T]) -> T | None: ...
    @overload
    def latest(self, node: Element[T] | Value[T], default: DefaultT) -> T | DefaultT: ...
    @overload
    def latest(self, node: str, default: Any = None) -> Any: ...
    def latest(self, node: Reference | Value[Any], default: Any = None) -> Any:
        """Return a node's latest output, or a value made of it; `default` while it has none.

        Raises:
            WorkflowError: `node` is an element that is not a node, such as a container.
        """
        source = node.source if isinstance(node, Value) else node
        is_ready, output = self._reads.latest(_checked(source))
        if not is_ready:
            return default
        return node.of(output) if isinstance(node, Value) else output

    def state(self, node: Reference) -> NodeState | None:
        """Return a node's state; None for a node that the run does not have (yet).

        Raises:
            WorkflowError: `node` is an element that is not a node, such as a container.
        """
        return self._reads.state(_checked(node))


def _checked(node: Reference) -> Reference:
    if isinstance(node, str):
        return plain_text(node)
    named: object = node
    if isinstance(named, Element) and named.output_schema is not None and named.id is not None:
        return node
    raise WorkflowError(
        f"{shown(node)} is not a node, so it has neither an output nor a state.", remedy="Name a task inside it."
    )
