"""Check whether an input that is given again is the one that a run started with."""

import dataclasses
from typing import Any

from pydantic import BaseModel


def is_given_again(given: object, data: object, kept: object) -> bool:
    """Return whether all that a caller gave equals the same part of the run's input.

    `given` is the validated `data`, `kept` the validated input of the run. A field that was not given is not compared:
    its default may have changed since.
    """
    if type(given) is not type(kept):
        return False
    if isinstance(given, BaseModel):
        return all(_is_same_part(given, data, kept, name) for name in given.model_fields_set)
    if dataclasses.is_dataclass(given):
        return all(_is_same_part(given, data, kept, name) for name in _given_fields(given, data))
    if isinstance(given, dict) and isinstance(kept, dict):
        inner = data if isinstance(data, dict) else {}
        return given.keys() == kept.keys() and all(is_given_again(given[k], inner.get(k), kept[k]) for k in given)
    if isinstance(given, (list, tuple)) and isinstance(kept, (list, tuple)):
        items = data if isinstance(data, list) and len(data) == len(given) else [None] * len(given)
        return len(given) == len(kept) and all(map(is_given_again, given, items, kept))
    return given == kept


def _is_same_part(given: object, data: object, kept: Any, name: str) -> bool:
    inner = data.get(name) if isinstance(data, dict) else None
    return hasattr(kept, name) and is_given_again(getattr(given, name), inner, getattr(kept, name))


def _given_fields(given: Any, data: object) -> list[str]:
    """Return the fields of a dataclass that were given; all of them if the data uses other names."""
    names = [field.name for field in dataclasses.fields(given)]
    if isinstance(data, dict) and data.keys() <= set(names):
        return [name for name in names if name in data]
    return names
