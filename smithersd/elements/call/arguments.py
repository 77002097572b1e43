"""Find the elements and secrets among a node's arguments, and refuse those that no value could replace."""

import dataclasses
import functools
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import BaseModel

from smithersd.elements.element import Element
from smithersd.elements.secret import Secret
from smithersd.elements.value import Value
from smithersd.elements.values.copies import Copies
from smithersd.errors import WorkflowError

_WITHOUT_PARTS = frozenset({type(None), bool, int, float, str, bytes})

_Found = tuple[Element[Any] | Secret, str | None]
"""An element or a secret, and the name of what hides it; None if its output can replace it."""


def elements_in(value: object) -> Iterator[Element[Any]]:
    """Yield the elements in a value: itself, or those anywhere in the data that is copied for each attempt.

    A `Value` counts as the element of whose output it is made.
    """
    for found, _ in _found(value, {}, None):
        if isinstance(found, Element):
            yield found


def secrets_in(value: object, node: str) -> tuple[str, ...]:
    """Return the names of the secrets anywhere in a value, each once.

    Raises:
        WorkflowError: one is where its value cannot replace it; `node` names the node in the error.
    """
    found = _secrets_in(value)
    if found:
        remaining = _secrets_in(_copy_with_values(value))
        if remaining:
            raise WorkflowError(
                f"{node} has {Secret(remaining[0])!r} where its value cannot replace it.",
                remedy="Pass it as an argument of the task itself, or in a list, tuple, dict or functools.partial.",
            )
    return found


def _secrets_in(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found.name for found, _ in _found(value, {}, None) if isinstance(found, Secret)))


def _copy_with_values(value: object) -> object:
    with suppress(Exception):  # a collection class of the author's that allows no copies
        return Copies(lambda _: None, lambda _: "").of(value)
    return value


def are_all_elements(value: object) -> bool:
    """Return whether a value holds elements and nothing else."""
    if isinstance(value, (list, tuple)):
        return all(map(are_all_elements, value))
    if isinstance(value, dict):
        return all(map(are_all_elements, value.values()))
    return isinstance(value, Element)


def check_arguments(arguments: tuple[Any, ...], node: str) -> bool:
    """Check that outputs can replace all elements among the arguments; return whether there are any elements.

    Raises:
        WorkflowError: an argument is a container, which has no output, or an element is where no output can be put: in
            a functools.partial, a set, the key of a dict, a collection that cannot be copied.
    """
    has_elements = False
    for element, hidden_in in _found(arguments, {}, None):
        if isinstance(element, Element):
            has_elements = True
            _check_found(element, hidden_in, node)
    if has_elements:
        _check_replaced(arguments, node)
    return has_elements


def check_not_hidden(function: object, node: str) -> None:
    """Check that a function is not a functools.partial that holds an element.

    Raises:
        WorkflowError: it is: the element's output could not replace it there.
    """
    for element, hidden_in in _found(function, {}, None):
        if isinstance(element, Element):
            _check_found(element, hidden_in, node)


def _check_found(element: Element[Any], hidden_in: str | None, node: str) -> None:
    if hidden_in is not None:
        raise WorkflowError(
            f"{node} has {element!r} in {hidden_in}, where its output cannot replace it.",
            remedy="Pass the element as an argument of the task itself, or in a list, tuple or dict.",
        )
    if element.output_schema is None:
        raise WorkflowError(
            f"{node} takes {element!r} as an argument, but a {element.kind} has no output.",
            remedy="Pass a task that is inside it, or put it into depends_on.",
        )


def _check_replaced(arguments: tuple[Any, ...], node: str) -> None:
    """Try to replace the elements by outputs: a collection class of the author's may not allow copies."""
    for argument in arguments:
        try:
            remaining = list(elements_in(Copies(lambda _: None).of(argument)))
        except Exception as error:
            raise _not_replaced(argument, node) from error
        if remaining:
            raise _not_replaced(argument, node)


def _not_replaced(argument: object, node: str) -> WorkflowError:
    return WorkflowError(
        f"{node} has elements in a {type(argument).__name__}, which cannot be copied with outputs in their places.",
        remedy="Pass the elements in a list, tuple or dict.",
    )


def _found(value: object, seen: dict[int, object], hidden_in: str | None) -> Iterator[_Found]:
    if isinstance(value, (Element, Secret)):
        yield value, hidden_in
        return
    if isinstance(value, Value):
        yield value.source, hidden_in
        return
    if id(value) in seen:
        return
    seen[id(value)] = value  # kept alive, so that no other object gets its id
    for part, hides in _parts(value):
        if type(part) not in _WITHOUT_PARTS:
            yield from _found(part, seen, hidden_in or hides)


def _parts(value: object) -> Iterator[tuple[object, str | None]]:
    """Yield the parts of a value, each with the name of what hides it there, if anything does."""
    match value:
        case list() | tuple() | deque():
            yield from ((item, None) for item in value)
        case dict():
            yield from ((item, None) for item in value.values())
            yield from ((key, "a key of a dict") for key in value)
        case set() | frozenset():
            yield from ((item, "a set") for item in value)
        case functools.partial():
            yield from ((item, "a functools.partial") for item in (value.func, value.args, value.keywords))
        case Mapping():
            yield from ((item, f"a {type(value).__name__}") for item in value.values())
        case BaseModel():
            yield from ((item, None) for item in {**value.__dict__, **(value.__pydantic_extra__ or {})}.values())
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from ((getattr(value, field.name, None), None) for field in dataclasses.fields(value))
        case _:
            pass
