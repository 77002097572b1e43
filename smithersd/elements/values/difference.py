"""Find where two values differ: what a task returned, and what the next task would receive.

Two values are equal if `==` says so. Otherwise their parts are compared, field by field. An object whose class defines
no equality is left undecided.
"""

import dataclasses
from collections import deque
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from smithersd.elements.texts import shown


@dataclass(frozen=True, slots=True)
class Difference:
    """A place within the returned value ("0.breed", "" for the value itself), and what happens there."""

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place or 'the value'} {self.what}"


def is_equal(one: object, other: object) -> bool:
    """Return whether `one == other` is True; an author's `__eq__` that raises counts as False."""
    try:
        return (one == other) is True
    except Exception:  # noqa: BLE001 - whatever an author's __eq__ raises
        return False


def difference(returned: object, received: object, place: str = "") -> Difference | None:
    """Return the first place where the received value differs from the returned one; None if there is none."""
    if is_equal(returned, received):
        return None
    if isinstance(returned, Mapping) and isinstance(received, Mapping):
        return _in_mappings(returned, received, place)
    if class_of(returned) is not class_of(received):
        return _in_classes(returned, received, place)
    if isinstance(returned, (list, tuple, deque)) and isinstance(received, (list, tuple, deque)):
        return _in_sequences(returned, received, place)
    before, after = attributes_of(returned), attributes_of(received)
    if before is not None and after is not None:
        return _in_fields(before, after, place)
    # A class without equality decides nothing: the caller compares the JSON of both.
    return None if type(returned).__eq__ is object.__eq__ else _changed(returned, received, place)


def lost(given: object, made: object, place: str = "") -> Difference | None:
    """Return what of a given value is missing in what pydantic made of it for an annotation; None for nothing.

    Conversions are allowed, since the annotation asks for them: a dict to a model, a tuple to a list, a text to a date.
    But no key and no element may be missing.
    """
    if given is made:
        return None
    if isinstance(given, Iterator):
        return Difference(place, f"is a {type(given).__name__}, which can be read only once")
    if isinstance(given, Mapping):
        return _lost_keys(given, made, place)
    if isinstance(given, (list, tuple, deque, AbstractSet)) and isinstance(made, (list, tuple, deque, AbstractSet)):
        return _lost_elements(given, made, place)
    return None


def class_of(value: object) -> type:
    """Return the class of a value; of a parametrised generic model, the class without parameters."""
    if isinstance(value, BaseModel):
        origin: type | None = type(value).__pydantic_generic_metadata__["origin"]
        return origin or type(value)
    return type(value)


def attributes_of(value: object) -> dict[str, Any] | None:
    """Return the fields, extra and private attributes of a model or dataclass; None for anything else."""
    if isinstance(value, BaseModel):
        fields = {name: getattr(value, name, None) for name in type(value).model_fields}
        return {**fields, **(value.__pydantic_extra__ or {}), **(value.__pydantic_private__ or {})}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name, None) for field in dataclasses.fields(value)}
    return None


def _in_mappings(returned: Mapping[Any, Any], received: Mapping[Any, Any], place: str) -> Difference | None:
    for key, value in returned.items():
        inner = _inside(place, key)
        if key in received:
            found = difference(value, received[key], inner)
            if found is not None:
                return found
        elif not isinstance(key, str) and all(isinstance(name, str) for name in received):
            return Difference(place, f"has the key {shown(key)}, which would arrive as a text")
        else:
            return Difference(inner, "would be lost")
    added = next((key for key in received if key not in returned), None)
    return None if added is None else Difference(_inside(place, added), "would be added")


def _in_classes(returned: object, received: object, place: str) -> Difference:
    before, after = attributes_of(returned), attributes_of(received)
    if before is not None and after is not None:
        missing = next((name for name in before if name not in after), None)
        if missing is not None:
            return Difference(
                _inside(place, missing), f"would be lost: {_type(returned)} would arrive as {_type(received)}"
            )
    if isinstance(returned, (str, int, float)) and isinstance(received, (str, int, float, type(None))):
        return _changed(returned, received, place)
    return Difference(place, f"is of type {_type(returned)} and would arrive as {_type(received)}")


def _in_sequences(returned: Any, received: Any, place: str) -> Difference | None:
    if len(returned) != len(received):
        return Difference(place, f"has {len(returned)} elements, of which {len(received)} would arrive")
    pairs = zip(returned, received, strict=True)
    found = (difference(before, after, _inside(place, index)) for index, (before, after) in enumerate(pairs))
    return next((each for each in found if each is not None), None)


def _in_fields(returned: dict[str, Any], received: dict[str, Any], place: str) -> Difference | None:
    for name, value in returned.items():
        if name not in received:
            return Difference(_inside(place, name), "would be lost")
        if name.startswith("_") and not _is_data(value):
            continue  # a lock or a client in a private attribute may be a new one
        found = difference(value, received[name], _inside(place, name))
        if found is not None:
            return found
    added = next((name for name in received if name not in returned), None)
    return None if added is None else Difference(_inside(place, added), "would be added")


def _is_data(value: object) -> bool:
    plain = (str, bytes, int, float, type(None), list, tuple, dict, set, frozenset, deque)
    return isinstance(value, plain) or attributes_of(value) is not None


def _lost_keys(given: Mapping[Any, Any], made: object, place: str) -> Difference | None:
    names = _names_of_keys(made)
    held = made if isinstance(made, Mapping) else attributes_of(made)
    if held is None or names is None:
        return None
    for key, value in given.items():
        name = names.get(key, key)
        if name in held:
            found = lost(value, held[name], _inside(place, key))
            if found is not None:
                return found
        elif len(given) > _kept_count(made):
            return Difference(_inside(place, key), f"would be lost: {_type(made)} has no such field")
    return None


def _names_of_keys(made: object) -> dict[str, str] | None:
    """Return the aliases by which a mapping may fill the fields of a model, with the fields' names."""
    names: dict[str, str] = {}
    for name, field in getattr(type(made), "__pydantic_fields__", {}).items():
        for alias in (field.alias, field.validation_alias, *getattr(field.validation_alias, "choices", ())):
            if isinstance(alias, str):
                names[alias] = name
    return names


def _kept_count(made: object) -> int:
    """Return how many keys are certainly kept; an author's validator may have put one into another field."""
    if isinstance(made, BaseModel):
        return len(made.model_fields_set | (made.__pydantic_extra__ or {}).keys())
    return len(made) if isinstance(made, Mapping) else 0


def _lost_elements(given: Any, made: Any, place: str) -> Difference | None:
    if len(given) > len(made):
        return Difference(place, f"has {len(given)} elements, of which {len(made)} would arrive")
    if isinstance(given, AbstractSet) or isinstance(made, AbstractSet):
        return None
    found = (
        lost(before, after, _inside(place, index))
        for index, (before, after) in enumerate(zip(given, made, strict=False))
    )
    return next((each for each in found if each is not None), None)


def _changed(returned: object, received: object, place: str) -> Difference:
    return Difference(place, f"is {shown(returned)}, which would arrive as {shown(received)}")


def _inside(place: str, part: object) -> str:
    name = part if isinstance(part, str) else shown(part)
    return f"{place}.{name}" if place else str(name)


def _type(value: object) -> str:
    return class_of(value).__name__
