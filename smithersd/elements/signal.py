"""Signal: wait for something that another process, a person or a task of the run sends."""

from collections.abc import Iterator
from typing import Any, Literal, overload

from smithersd.elements.element import Condition, Element, Node, References, T_co, sources_of
from smithersd.elements.kinds import OnTimeout
from smithersd.elements.options.duration import Duration, positive_s
from smithersd.elements.texts import chosen, shown
from smithersd.elements.value import Value
from smithersd.elements.values.schema import Schema, schema_for
from smithersd.errors import WorkflowError
from smithersd.limits import SIGNAL_NAME_LENGTH_MAX


class Signal(Node[T_co]):
    """Wait for a signal, and put out its data: `Signal(id, output)`.

    `output` is the type of the data, as it is that of a task's result. `name` and `key` say which signals are meant:
    those sent with the same name and the same correlation id. The name is the id, with those of the groups around it,
    unless it is given. `key` may also be an element whose output is the key, or a value made of one by `.map`; it is
    computed once, when the flow reaches the node. Signals that come before that are kept; each is delivered once, in
    the order in which they came. After `timeout` the node fails, is skipped, or (`on_timeout="continue"`) finishes
    with None. A signal counts towards no max_concurrency.

    Examples:
        >>> from smithersd import Sequence, Task
        >>> paid = Signal("paid", int, key="order-7", timeout="3d")
        >>> steps = Sequence(paid, Task("thank", print, "Received", paid))
    """

    __slots__ = ("key", "name", "on_timeout", "timeout_s")

    kind = "signal"

    @overload
    def __init__(
        self: "Signal[Any]",
        id: str,
        *,
        name: str | None = None,
        key: str | Element[str] | Value[str] | None = None,
        timeout: Duration | None = None,
        on_timeout: Literal["fail", "skip", "continue"] = "fail",
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        id: str,
        output: type[T_co],
        *,
        name: str | None = None,
        key: str | Element[str] | Value[str] | None = None,
        timeout: Duration | None = None,
        on_timeout: Literal["fail", "skip"] = "fail",
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "Signal[T_co | None]",
        id: str,
        output: type[T_co],
        *,
        name: str | None = None,
        key: str | Element[str] | Value[str] | None = None,
        timeout: Duration | None = None,
        on_timeout: Literal["continue"],
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None: ...
    def __init__(
        self,
        id: str,
        output: Any = Any,
        *,
        name: str | None = None,
        key: str | Element[str] | Value[str] | None = None,
        timeout: Duration | None = None,
        on_timeout: str = "fail",
        skip_if: Condition = False,
        depends_on: References = (),
        label: str | None = None,
    ) -> None:
        super().__init__(id, label=label, skip_if=skip_if, depends_on=depends_on)
        node = f"signal {self.id!r}"
        self.name = None if name is None else checked_signal_name(name, f"name of {node}")
        self.key = _checked_key(key, f"key of {node}")
        self.timeout_s = None if timeout is None else positive_s(timeout, f"timeout of {node}")
        self.on_timeout = chosen(OnTimeout, on_timeout, f"on_timeout of {node}")
        self.schema = _schema(output, self.on_timeout, node)

    def inputs(self) -> Iterator[Element[Any]]:
        """The element that tells the key."""
        yield from sources_of(self.key)


def _schema(output: Any, on_timeout: OnTimeout, node: str) -> Schema:
    is_optional = on_timeout is OnTimeout.CONTINUE and output is not Any
    return schema_for(output | None if is_optional else output, node)


def _checked_key(key: Any, what: str) -> Any:
    """A text is checked here and now, what will be given when it is there; no element without an output."""
    if key is None or isinstance(key, (Node, Value)):
        return key
    if isinstance(key, Element):
        raise WorkflowError(f"{what} is {key!r}, which has no output.", remedy="Give a task that returns it.")
    return checked_signal_name(key, what)


def checked_signal_name(name: object, what: str) -> str:
    """Return a text that can be the name or the key of a signal; `what` names it in the error.

    Raises:
        WorkflowError: it cannot.
    """
    problem = None if isinstance(name, str) else "is not a text"
    problem = problem or signal_name_problem(str(name))
    if problem is not None:
        raise WorkflowError(
            f"{what} is {shown(name)}, which {problem}.",
            remedy=f"Give 1 to {SIGNAL_NAME_LENGTH_MAX} printable characters.",
        )
    return str.__str__(name)


def signal_name_problem(name: str) -> str | None:
    """Return what is wrong with a signal's name or key, None if nothing is."""
    if not name:
        return "is empty"
    if len(name) > SIGNAL_NAME_LENGTH_MAX:
        return f"has {len(name)} characters, more than {SIGNAL_NAME_LENGTH_MAX}"
    return None if name.isprintable() else "holds characters that cannot be printed"
