"""Task: one call of an author's function, durable once it has returned."""

import inspect
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar, Unpack, overload

from smithersd.elements.call.arguments import (
    are_all_elements,
    check_arguments,
    check_not_hidden,
    elements_in,
    secrets_in,
)
from smithersd.elements.call.functions import unwrapped
from smithersd.elements.call.signature import check_signature
from smithersd.elements.element import Element, Node
from smithersd.elements.options.task_options import Attempts, TaskOptions, attempts_of
from smithersd.elements.values.schema import Schema, schema_for
from smithersd.errors import WorkflowError

T_co = TypeVar("T_co", covariant=True)


class Task(Node[T_co]):
    """Call a function: `Task(id, function, *arguments, **options)`.

    An async function runs in the event loop, a plain one in a thread. An element among the arguments, also inside a
    list, tuple, dict, dataclass or model, makes this task run after it and receive its output, or what `.map` makes of
    that. Each attempt has its own copies of the arguments. The return annotation is the output's type: what the next
    task receives equals what was returned, or the attempt fails with INVALID_OUTPUT. Options: see `TaskOptions`.

    Examples:
        >>> def double(number: int) -> int:
        ...     return 2 * number
        >>> first = Task("first", double, 21, retries=2, timeout="5m")
        >>> second = Task("second", double, first)
    """

    __slots__ = ("arguments", "attempts", "function", "has_elements", "secrets")

    kind = "task"

    @overload
    def __init__(
        self,
        id: str,
        function: Callable[..., Coroutine[Any, Any, T_co]],
        *arguments: Any,
        **options: Unpack[TaskOptions],
    ) -> None: ...
    @overload
    def __init__(
        self, id: str, function: Callable[..., T_co], *arguments: Any, **options: Unpack[TaskOptions]
    ) -> None: ...
    def __init__(self, id: str, function: Callable[..., Any], *arguments: Any, **options: Unpack[TaskOptions]) -> None:
        super().__init__(
            id,
            label=options.get("label"),
            skip_if=options.get("skip_if", False),
            depends_on=options.get("depends_on", ()),
        )
        name = f"task {self.id!r}"
        _check_function(function, name)
        check_not_hidden(function, name)
        self.schema = _schema(function, options, name)
        self.attempts: Attempts = attempts_of(options, name)
        self.function = function
        self.arguments = arguments
        self.has_elements = check_arguments(arguments, name)
        self.secrets = secrets_in((function, arguments), name)
        check_signature(function, arguments, name)

    @property
    def has_plain_arguments(self) -> bool:
        """Whether an argument is not an element; a function made by the rendering may also hold a value."""
        is_plain_function = inspect.isfunction(self.function) and "<locals>" not in self.function.__qualname__
        return not is_plain_function or not are_all_elements(self.arguments)

    def inputs(self) -> Iterator[Element[Any]]:
        """Yield the elements among the arguments."""
        yield from elements_in(self.arguments) if self.has_elements else ()


def _check_function(function: object, node: str) -> None:
    if not callable(function):
        raise WorkflowError(
            f"{node} has {function!r} as its function, which cannot be called.",
            remedy="Pass the function itself and its arguments after it: Task(id, function, *arguments).",
        )
    inner = unwrapped(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise WorkflowError(
            f"The function of {node} is a generator function, which has no single result.", remedy="Return a list."
        )


def _schema(function: Callable[..., Any], options: TaskOptions, node: str) -> Schema:
    if "output" in options:
        return schema_for(options["output"], node)
    return schema_for(_return_type(unwrapped(function), node), node)


def _return_type(function: Any, node: str) -> Any:
    """Return a function's return annotation: Any if it has none; of a class, the class itself."""
    if inspect.isclass(function):
        return function
    annotation = getattr(function, "__annotations__", {}).get("return", Any)
    if isinstance(annotation, str):
        annotation = _resolved(function, annotation, node)
    if typing.get_origin(annotation) in (Awaitable, Coroutine) and not inspect.iscoroutinefunction(function):
        annotation = typing.get_args(annotation)[-1]
    return None if annotation is type(None) else annotation


def _resolved(function: Any, annotation: str, node: str) -> Any:
    try:
        return typing.get_type_hints(function, include_extras=True)["return"]
    except Exception as error:
        raise WorkflowError(
            f"The return annotation {annotation!r} of {node} cannot be resolved: {error}.",
            remedy="Import the type at the top of the module, or give it with output=.",
        ) from error
