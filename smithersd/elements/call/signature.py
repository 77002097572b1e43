"""Check that a task's arguments fit its function: their number, their names, and their types as far as possible.

Only certain mistakes are reported: a value or an output whose class is unrelated to the parameter's annotation. If the
annotation does not name classes (a protocol, a type variable, a name that cannot be resolved), everything fits.
"""

import functools
import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Any

from smithersd.elements.call.functions import unwrapped
from smithersd.elements.element import Element
from smithersd.elements.secret import Secret
from smithersd.elements.value import Value
from smithersd.errors import WorkflowError

_PROMOTED: dict[type, tuple[type, ...]] = {float: (int,), complex: (int, float)}
"""Which other classes may be given for a number, as type checkers allow it."""


def check_signature(function: Callable[..., Any], arguments: tuple[Any, ...], node: str) -> None:
    """Check that a function can take the arguments; `node` ("task 'fix'") names the task in errors.

    Raises:
        WorkflowError: there are too many or too few, or one does not fit its parameter's annotation.
    """
    signature = _signature(function)
    if signature is None:
        return
    try:
        bound = signature.bind(*arguments)
    except TypeError as error:
        raise WorkflowError(
            f"The arguments of {node} do not fit {_name(function)}{signature}: {error}.",
            remedy="Pass the function's positional arguments after it; bind keywords with functools.partial.",
        ) from None
    for name, value in _bound_values(signature, bound):
        annotation = _annotations(function).get(name, Any)
        if not _fits(value, annotation):
            raise WorkflowError(
                f"Argument {name!r} of {node} is {_described(value)}, "
                f"but {_name(function)} takes {_shown(annotation)}.",
                remedy="Pass what the function takes, or correct its annotation.",
            )


def _bound_values(signature: inspect.Signature, bound: inspect.BoundArguments) -> Iterator[tuple[str, Any]]:
    for name, value in bound.arguments.items():
        if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
            yield from ((name, argument) for argument in value)
        else:
            yield name, value


def _fits(value: object, annotation: Any) -> bool:
    allowed = _classes(annotation)
    if allowed is None:
        return True
    if isinstance(value, Secret):
        return any(_are_related(str, cls) for cls in allowed)
    if isinstance(value, (Element, Value)):
        given = _classes(_type_of(value))
        return given is None or any(_are_related(output, cls) for output in given for cls in allowed)
    return any(_is_instance(value, cls) for cls in allowed)


def _type_of(given: Element[Any] | Value[Any]) -> Any:
    """The type of an output, or of what is made of one as far as the function tells it."""
    if isinstance(given, Element):
        return Any if given.output_schema is None else given.output_schema.type
    function = given.functions[-1]
    return function if inspect.isclass(function) else _annotations(function).get("return", Any)


def _classes(annotation: Any) -> list[type] | None:
    """Return the classes that an annotation allows; None if it is more than a list of classes."""
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        return _classes(typing.get_args(annotation)[0])
    if origin in (typing.Union, types.UnionType):
        members = [_classes(member) for member in typing.get_args(annotation)]
        return None if None in members else [cls for member in members if member is not None for cls in member]
    if annotation is None:
        return [type(None)]
    admitted = origin or annotation
    is_plain = isinstance(admitted, type) and admitted is not Any and not getattr(admitted, "_is_protocol", False)
    return [admitted] if is_plain and not typing.is_typeddict(admitted) else None


def _is_instance(value: object, wanted: type) -> bool:
    try:
        return isinstance(value, (wanted, *_PROMOTED.get(wanted, ())))
    except TypeError:  # a class that does not support isinstance
        return True


def _are_related(given: type, wanted: type) -> bool:
    try:
        return issubclass(given, (wanted, *_PROMOTED.get(wanted, ()))) or issubclass(wanted, given)
    except TypeError:
        return True


def _described(value: object) -> str:
    if isinstance(value, Secret):
        return f"the secret {value.name!r}, a str"
    if isinstance(value, Element):
        return f"the output of {value.kind} {value.id!r}, {_shown(_type_of(value))}"
    if isinstance(value, Value):
        return f"{value!r}, {_shown(_type_of(value))}"
    return f"of type {type(value).__name__}"


def _shown(annotation: Any) -> str:
    return annotation.__name__ if isinstance(annotation, type) and not typing.get_args(annotation) else str(annotation)


def _name(function: Callable[..., Any]) -> str:
    return getattr(unwrapped(function), "__name__", "the function")


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return _cached_signature(function)
    except TypeError:  # an unhashable callable
        return _read_signature(function)


def _read_signature(function: Callable[..., Any]) -> inspect.Signature | None:
    try:
        return inspect.signature(function)
    except (ValueError, TypeError):  # some builtins have no signature
        return None


def _annotations(function: Callable[..., Any]) -> dict[str, Any]:
    target = unwrapped(function)
    return _cached_annotations(target.__init__ if inspect.isclass(target) else target)


def _read_annotations(function: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # noqa: BLE001 - a name that exists for type checkers only
        return {}


_cached_signature = functools.lru_cache(maxsize=1024)(_read_signature)
_cached_annotations = functools.lru_cache(maxsize=1024)(_read_annotations)
