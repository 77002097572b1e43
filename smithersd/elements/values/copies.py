"""Copy the arguments of each attempt, so that a retry and a resumption see what the first attempt saw.

Data is copied deeply: lists, tuples, dicts, sets, deques, byte arrays and their subclasses, dataclasses, pydantic
models, partials, and objects with a `__deepcopy__`, such as arrays. Anything else, such as a lock or a client, is not
data and stays the same object.
"""

import copy
import dataclasses
import functools
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from pydantic import BaseModel

from smithersd.elements.element import Element
from smithersd.elements.secret import Secret
from smithersd.elements.value import Value

_WITHOUT_PARTS = frozenset({type(None), bool, int, float, complex, str, bytes, type})


class Copies:
    """One attempt's copies: a value that occurs twice is copied once, and nodes are replaced by their outputs.

    An element is replaced by its output, a `Value` by what is made of one, a `Secret` by its value.
    """

    def __init__(
        self, output_of: Callable[[Element[Any] | Value[Any]], Any], secret_of: Callable[[str], Any] | None = None
    ) -> None:
        """`secret_of` returns the value of a secret by its name; without it secrets stay what they are."""
        self._output_of = output_of
        self._secret_of = secret_of
        self._made: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any) -> Any:
        """Return a copy of the value, with outputs instead of elements."""
        if type(value) in _WITHOUT_PARTS:
            return value
        made = self._made.get(id(value))
        return self._remember(value, self._copied(value)) if made is None else made[1]

    def _remember(self, value: Any, made: Any) -> Any:
        self._made[id(value)] = (value, made)  # the value is kept alive, so that no other gets its id
        return made

    def _copied(self, value: Any) -> Any:
        if isinstance(value, (Element, Value)):
            return self._output_of(value)
        if isinstance(value, Secret):
            return value if self._secret_of is None else self._secret_of(value.name)
        copied = self._by_kind(value)
        return value if copied is None else copied

    def _by_kind(self, value: Any) -> Any:
        """Return a copy of data; None for what is not data or cannot be copied."""
        match value:
            case tuple():
                return self._tuple(value)
            case functools.partial():
                return functools.partial(self.of(value.func), *self.of(value.args), **self.of(value.keywords))
            case list() | dict() | deque() | set() | frozenset() | bytearray() | BaseModel():
                return self._container(value)
            case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
                return self._container(value)
            case _ if hasattr(type(value), "__deepcopy__"):
                return _copy(value, copy.deepcopy)
            case _:
                return None

    def _container(self, value: Any) -> Any:
        made = _copy(value, copy.copy)
        if made is None:
            return None
        self._remember(value, made)  # before its parts, which may hold it
        match made:
            case list():
                list.__setitem__(made, slice(None), self._all(value))
            case dict():
                self._replace_in(made)
            case deque():
                for index, item in enumerate(value):
                    made[index] = self.of(item)
            case BaseModel():
                for parts in (made.__dict__, made.__pydantic_extra__, made.__pydantic_private__):
                    self._replace_in(parts or {})
            case _ if dataclasses.is_dataclass(made):
                self._replace_fields(made)
            case _:
                pass  # what sets and bytes hold cannot change
        return made

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        items = self._all(value)
        if all(copied is item for copied, item in zip(items, value, strict=True)):
            return value
        made = _copy(items, functools.partial(tuple.__new__, type(value)))
        for name, item in getattr(value, "__dict__", {}).items():
            setattr(made, name, self.of(item))
        return made

    def _replace_in(self, parts: dict[Any, Any]) -> None:
        for key, item in list(dict.items(parts)):
            dict.__setitem__(parts, key, self.of(item))

    def _replace_fields(self, made: Any) -> None:
        for field in dataclasses.fields(made):
            if hasattr(made, field.name):
                object.__setattr__(made, field.name, self.of(getattr(made, field.name)))

    def _all(self, items: Iterable[Any]) -> list[Any]:
        return [self.of(item) for item in items]


def _copy(value: Any, how: Callable[[Any], Any]) -> Any:
    """Return a copy; None if an author's class refuses to be copied or returns itself."""
    try:
        made = how(value)
    except Exception:  # noqa: BLE001 - whatever an author's class raises
        return None
    return None if made is value else made
