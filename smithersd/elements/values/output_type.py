"""Find output types whose values can never be read back from JSON, before any work is done."""

import enum
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pydantic_core
from pydantic import Secret, SecretBytes, SecretStr, TypeAdapter

_NEVER_READ = {
    "callable": "a function, which JSON cannot hold",
    "generator": "an iterator, which can be read only once: return a list",
    "is-subclass": "a class, which JSON cannot hold",
}
"""Types of a pydantic core schema that no JSON text fits."""

_NO_KEYS = frozenset({"none", "tuple", "list", "set", "frozenset", "dict", "model", "dataclass", "typed-dict", "call"})
"""Types of a core schema that no key of a JSON object can be read as."""

_FROM_PYTHON = frozenset({"function-before", "function-wrap", "function-plain"})
"""Types of a core schema in which an author's function converts the JSON in its own way."""

_SECRETS = (Secret, SecretStr, SecretBytes)

_SAMPLES = ('"a sample secret"', "1", "true", '"2020-01-01"', "[]", "{}")
"""JSON from which to make a secret, to see whether its type writes the value to JSON."""

Found = tuple[str, str]
"""Where in the type ("token", "" for the type itself), and what is there."""


def never_read_back(adapter: TypeAdapter[Any]) -> str | None:
    """Return what in an output type can never be read back as it was returned, to follow its name; None for nothing."""
    found = next(_problems(adapter.core_schema, ""), None)
    if found is None:
        return None
    place, what = found
    return f"holds {what}" if not place else f"holds, in {place}, {what}"


def _problems(schema: Any, place: str) -> Iterator[Found]:
    """Walk a core schema the way JSON is read by it."""
    kind = schema.get("type")
    if kind in _NEVER_READ:
        yield place, _NEVER_READ[kind]
    elif kind == "is-instance":
        yield place, f"a {schema['cls'].__name__}, which pydantic cannot read from JSON"
    elif kind == "enum":
        yield from _unread_members(schema["cls"], place)
    elif (secret := _secret_of(schema)) is not None:
        if not secret.is_written_out:
            yield place, f"a {secret.name}, which is written as asterisks: let each task fetch the secret itself"
    elif kind not in _FROM_PYTHON and not (kind == "model" and "serialization" in schema):
        yield from _problems_inside(schema, place)


def _problems_inside(schema: Any, place: str) -> Iterator[Found]:
    kind = schema.get("type")
    if kind == "dict" and schema.get("keys_schema", {}).get("type") in _NO_KEYS:
        yield place, "a dict whose keys are not texts, numbers or dates: return a list of pairs"
    elif kind in {"union", "tagged-union"}:
        yield from _problems_of_choices(choices_of(schema), place)
    elif kind in {"model-fields", "typed-dict", "dataclass-args"}:
        for name, field in fields_of(schema):
            yield from _problems_of_field(field, f"{place}.{name}".lstrip("."))
    else:
        for part in _parts(schema):
            yield from _problems(part, place)


def _parts(schema: Any) -> list[Any]:
    """Return the schemas inside one that read parts of the JSON."""
    match schema.get("type"):
        case "json-or-python":
            return [schema["json_schema"]]
        case "lax-or-strict":
            return [schema["lax_schema"]]
        case "chain":
            return [schema["steps"][0]]
        case "tuple":
            return list(schema["items_schema"])
        case "definitions":
            return [schema["schema"], *schema["definitions"]]
        case _:
            parts = [schema.get(key) for key in ("schema", "items_schema", "keys_schema", "values_schema")]
            return [part for part in parts if isinstance(part, dict)]


def choices_of(schema: Any) -> list[Any]:
    """Return the schemas of a union's members."""
    choices = schema["choices"]
    listed = choices.values() if isinstance(choices, dict) else choices
    return [choice[0] if isinstance(choice, tuple) else choice for choice in listed]


def fields_of(schema: Any) -> list[tuple[str, Any]]:
    """Return the fields of a model, a TypedDict or a dataclass, with their names."""
    fields = schema["fields"]
    return list(fields.items()) if isinstance(fields, dict) else [(field["name"], field) for field in fields]


def _problems_of_choices(choices: list[Any], place: str) -> Iterator[Found]:
    """Yield the problems of a union: a class that JSON cannot hold is fine beside a member that it can."""
    readable = [choice for choice in choices if choice.get("type") != "is-instance"]
    for choice in readable or choices:
        yield from _problems(choice, place)


def _problems_of_field(field: Any, place: str) -> Iterator[Found]:
    is_required = field["schema"].get("type") != "default"
    if field.get("serialization_exclude") is True and is_required and field.get("required") is not False:
        yield place, "a field that is required and excluded: it is read but never written"
    else:
        yield from _problems(field["schema"], place)


def _unread_members(enumeration: type[enum.Enum], place: str) -> Iterator[Found]:
    adapter: TypeAdapter[Any] = TypeAdapter(enumeration)
    for member in enumeration:
        try:
            is_read = adapter.validate_json(adapter.dump_json(member)) is member
        except Exception:  # noqa: BLE001 - an author's _missing_ may raise anything
            is_read = False
        if not is_read:
            what = f"{enumeration.__name__}.{member.name}, whose value {member.value!r} JSON changes"
            yield place, f"{what}: use texts or numbers"


@dataclass(frozen=True, slots=True)
class _SecretType:
    name: str
    is_written_out: bool


def _secret_of(schema: Any) -> _SecretType | None:
    """Return the secret type of a schema, if it is one; an author's serializer may write the secret to JSON."""
    if schema.get("type") not in {"json-or-python", "lax-or-strict"}:
        return None
    try:
        reader, writer = pydantic_core.SchemaValidator(schema), pydantic_core.SchemaSerializer(schema)
    except pydantic_core.SchemaError:  # a part that cannot stand alone
        return None
    secret = next(_values_read(reader, *_SAMPLES), None)
    if not isinstance(secret, _SECRETS):
        return None
    return _SecretType(type(secret).__name__, _is_read_back(secret, reader, writer))


def _values_read(reader: pydantic_core.SchemaValidator, *samples: str | bytes) -> Iterator[Any]:
    for sample in samples:
        with suppress(Exception):  # an author's validator may raise anything
            yield reader.validate_json(sample)


def _is_read_back(
    secret: object, reader: pydantic_core.SchemaValidator, writer: pydantic_core.SchemaSerializer
) -> bool:
    try:
        text = writer.to_json(secret)
    except Exception:  # noqa: BLE001 - an author's serializer, which works on its own model only
        return True
    return any(value == secret for value in _values_read(reader, text))
