"""Find the keys of plain data that a type does not have: by default, pydantic ignores them silently."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from smithersd.elements.values.output_type import choices_of, fields_of

_FIELDS = frozenset({"model-fields", "typed-dict", "dataclass-args"})

_LISTS = frozenset({"list", "set", "frozenset", "generator"})

_READ_BY = {"json-or-python": "json_schema", "lax-or-strict": "lax_schema"}
"""Which schema reads JSON, where there is one for each mode."""

# An author's function may change the data before the fields are read.
_UNSEEN = frozenset({"function-before", "function-wrap", "function-plain", "json", "custom-error"})


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """A key at its place in the data ("server.prot"), and the keys that are known there."""

    place: str
    key: str
    known: frozenset[str]


def unknown_key(schema: Any, data: object) -> UnknownKey | None:
    """Return the first key in plain data, at any depth, that a core schema does not have; None if there is none.

    A field is known by its name and its aliases. Of a union, the member with the fewest unknown keys counts.
    """
    definitions = {part["ref"]: part for part in schema.get("definitions", ()) if "ref" in part}
    return next(_unknown(schema, data, "", _Around(definitions, allows_extras=False)), None)


@dataclass(frozen=True, slots=True)
class _Around:
    definitions: Mapping[str, Any]
    allows_extras: bool

    def inside(self, schema: Any) -> "_Around":
        """Return what applies inside a model, whose own configuration counts."""
        config = schema.get("config") or {}
        return _Around(self.definitions, allows_extras=config.get("extra_fields_behavior") == "allow")


def _unknown(schema: Any, data: object, place: str, around: _Around) -> Iterator[UnknownKey]:
    kind = schema.get("type")
    if kind in _UNSEEN:
        return
    if kind in {"model", "dataclass", "typed-dict"}:
        around = around.inside(schema)
    if kind in _FIELDS:
        if isinstance(data, dict):
            yield from _unknown_in_fields(schema, data, place, around)
    elif kind in {"union", "tagged-union"}:
        yield from _unknown_in_choices(choices_of(schema), data, place, around)
    else:
        for part, inner, key in _parts(schema, data, around):
            yield from _unknown(part, inner, _inside(place, key), around)


def _unknown_in_fields(schema: Any, data: dict[str, Any], place: str, around: _Around) -> Iterator[UnknownKey]:
    by_key = {key: field["schema"] for name, field in fields_of(schema) for key in (name, *_aliases(field))}
    behaviour = schema.get("extra_behavior")
    for key, value in data.items():
        if key in by_key:
            yield from _unknown(by_key[key], value, _inside(place, key), around)
        elif behaviour != "allow" and (behaviour is not None or not around.allows_extras):
            yield UnknownKey(_inside(place, key), key, frozenset(by_key))


def _aliases(field: Any) -> Iterator[str]:
    """Yield the keys that a field is read from; of an alias that is a path, the first key counts."""
    alias = field.get("validation_alias")
    for path in [alias] if isinstance(alias, str) else alias or ():
        first = path if isinstance(path, str) else path[0]
        if isinstance(first, str):
            yield first


def _unknown_in_choices(choices: list[Any], data: object, place: str, around: _Around) -> Iterator[UnknownKey]:
    found = [list(_unknown(choice, data, place, around)) for choice in choices if _can_hold(choice, data, around)]
    yield from min(found, key=len, default=[])


def _can_hold(schema: Any, data: object, around: _Around) -> bool:
    """Return whether a union's member is for data of this shape."""
    schema = _resolved(schema, around)
    kind = schema.get("type")
    if kind in _FIELDS:
        return isinstance(data, dict) and all(
            _is_tagged_so(field["schema"], data, name) for name, field in fields_of(schema)
        )
    if kind == "dict":
        return isinstance(data, dict)
    if kind in _LISTS | {"tuple"}:
        return isinstance(data, list)
    if kind in {"model", "dataclass", "nullable", "default", "function-after"}:
        return _can_hold(schema["schema"], data, around)
    return True


def _is_tagged_so(schema: Any, data: dict[str, Any], name: str) -> bool:
    """Return whether the data may belong to a union's member by this field: a literal, such as a tag, has to match."""
    return schema.get("type") != "literal" or name not in data or data[name] in schema["expected"]


def _parts(schema: Any, data: object, around: _Around) -> Iterator[tuple[Any, object, str | int | None]]:
    """Yield the schemas inside one, each with its part of the data and that part's key."""
    kind = schema.get("type")
    if kind == "definition-ref":
        yield _resolved(schema, around), data, None
    elif kind in _READ_BY:
        yield schema[_READ_BY[kind]], data, None
    elif kind == "tuple" and isinstance(data, list) and schema.get("variadic_item_index") is None:
        for at, (part, item) in enumerate(zip(schema["items_schema"], data, strict=False)):
            yield part, item, at
    elif kind in _LISTS and isinstance(data, list) and isinstance(schema.get("items_schema"), dict):
        for at, item in enumerate(data):
            yield schema["items_schema"], item, at
    elif kind == "dict" and isinstance(data, dict) and "values_schema" in schema:
        for key, item in data.items():
            yield schema["values_schema"], item, key
    elif isinstance(schema.get("schema"), dict):
        yield schema["schema"], data, None


def _resolved(schema: Any, around: _Around) -> Any:
    return around.definitions.get(schema["schema_ref"], {}) if schema.get("type") == "definition-ref" else schema


def _inside(place: str, key: str | int | None) -> str:
    return place if key is None else f"{place}.{key}".lstrip(".")
