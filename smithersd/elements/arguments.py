"""Elements among a node's arguments: finding them, and putting their outputs in their places."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

from smithersd.elements.element import Element, Node
from smithersd.errors import WorkflowError


def elements_in(value: object) -> Iterator[Element[Any]]:
    """Find the elements in a value: itself, or anywhere in lists, tuples and dict values."""
    if isinstance(value, Element):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from elements_in(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from elements_in(item)


def with_outputs(value: Any, output_of: Callable[[Node[Any]], Any]) -> Any:
    """Return the value with every node in it replaced by its output; a value without nodes stays itself."""
    if isinstance(value, Node):
        return output_of(value)
    if type(value) in (list, tuple):
        return type(value)(with_outputs(item, output_of) for item in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(with_outputs(item, output_of) for item in value))
    if type(value) is dict:
        return {key: with_outputs(item, output_of) for key, item in value.items()}
    return value


def check_arguments(arguments: tuple[Any, ...], node: str) -> bool:
    """Refuse elements that cannot arrive as outputs; return whether there are any elements at all.

    Raises:
        WorkflowError: a container among the arguments, or an element hidden in a functools.partial.
    """
    has_elements = False
    for argument in arguments:
        check_not_hidden(argument, node)
        for element in elements_in(argument):
            has_elements = True
            if not isinstance(element, Node):
                raise WorkflowError(
                    f"{node} takes {element!r} as an argument, but a {element.kind} has no output.",
                    remedy="Pass a task inside it, or name it in depends_on.",
                )
    return has_elements


def check_not_hidden(value: object, node: str) -> None:
    """Refuse a functools.partial that holds an element: its output could never arrive."""
    while isinstance(value, functools.partial):
        for element in elements_in([*value.args, value.keywords]):
            raise WorkflowError(
                f"{node} has {element!r} hidden in a functools.partial, where its output cannot arrive.",
                remedy="Pass the element as an argument of the task itself.",
            )
        value = value.func
