"""What a node's output must look like, and its way to JSON and back.

A result is dumped to JSON, read back from that JSON by its schema, and it is the object read back that goes
downstream: so a run and its resumption see the same thing. What is read back equals what was returned, or the output is
refused and it is said where it does not.
"""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal

import pydantic_core
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from smithersd.author_errors import text_of
from smithersd.elements.values.difference import Difference, difference, is_equal, lost
from smithersd.elements.values.output_type import never_read_back
from smithersd.elements.values.unknown_keys import UnknownKey, unknown_key
from smithersd.errors import InvalidOutput, WorkflowError
from smithersd.limits import MIB, OUTPUT_BYTES_MAX

_PROBLEMS_SHOWN_MAX = 5

_NO_JSON_NUMBERS = (b"NaN", b"Infinity")


class Schema:
    """The type of an output, as a pydantic TypeAdapter takes it; `Any` means any JSON value."""

    __slots__ = ("_adapter", "never_read_back", "type")

    def __init__(self, type: Any) -> None:
        self.type = type
        self._adapter = _adapter_of(type)
        self.never_read_back = never_read_back(self._adapter)
        """What in the type can never come back as it was returned, None for nothing."""

    def dump(self, value: object) -> str:
        """Write a result as JSON text that `load` reads back as the same value.

        A value of another type is first made into one of this type, as pydantic does it: a dict into a model, a tuple
        into a list, an iterator into a list. Nothing of it may be lost in that.

        Raises:
            InvalidOutput: JSON cannot hold it, the schema refuses it, something of it would be lost or changed (the
                message says where), or it is larger than 10 MiB.
        """
        try:
            return self._dumped(value)
        except (InvalidOutput, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # of pydantic, or of an author's serializer
            name = type(value).__name__
            raise InvalidOutput(f"The output, of type {name}, cannot be written as JSON: {_raised(error)}") from error

    def load(self, text: str | bytes) -> Any:
        """Read an output back from JSON text.

        Raises:
            InvalidOutput: the text does not fit the schema, or a validator of it raised.
        """
        try:
            return self._adapter.validate_json(text, by_alias=True, by_name=True)
        except ValidationError as error:
            raise InvalidOutput(f"The output does not fit {self.name}: {problems(error)}") from error
        except (Exception, SystemExit) as error:
            raise InvalidOutput(f"A validator of {self.name} refused the output: {_raised(error)}") from error

    def unknown_key(self, data: object) -> UnknownKey | None:
        """Find a key in plain data that the type has no place for, None where there is none."""
        return unknown_key(self._adapter.core_schema, data)

    def given_text(self, value: object) -> bytes:
        """Write what was given, and of models only the fields that were set, as JSON text that `load` takes.

        Raises:
            InvalidOutput: JSON cannot hold it.
        """
        try:
            return (
                pydantic_core.to_json(value, by_alias=True, exclude_none=False)
                if _is_plain(value)
                else (self._adapter.dump_json(value, by_alias=True, round_trip=True, exclude_unset=True))
            )
        except Exception as error:
            name = type(value).__name__
            raise InvalidOutput(f"The output, of type {name}, cannot be written as JSON: {_raised(error)}") from error

    def normalised(self, text: str) -> str:
        """Check JSON text that somebody else wrote, and write it anew.

        Raises:
            InvalidOutput: it is no JSON, or the schema refuses it.
        """
        return self.dump(self.load(text))

    @property
    def name(self) -> str:
        """The type's name for people."""
        return getattr(self.type, "__name__", None) or str(self.type)

    def _dumped(self, value: object) -> str:
        if isinstance(value, Iterator) and self.type is not Any:
            value = list(value)  # it can be read only once, and is read several times below
        try:
            return self._text_of(value, warnings="error")
        except pydantic_core.PydanticSerializationError:  # it is of another type, or of none that JSON can hold
            return self._text_of(self._made_of(value), warnings="none")

    def _made_of(self, value: object) -> Any:
        """What the annotation makes of a value of another type."""
        try:
            made = self._adapter.validate_python(value, by_alias=True, by_name=True)
        except ValidationError as error:
            if not _is_plain(value):
                raise InvalidOutput(f"The output does not fit {self.name}: {problems(error)}") from error
            made = self.load(
                pydantic_core.to_json(value)
            )  # where a strict type takes from JSON what it takes nowhere else
        missing = lost(value, made)
        if missing is not None:
            raise InvalidOutput(f"The output cannot be made into {self.name}: {missing}.")
        return made

    def _text_of(self, value: object, *, warnings: Literal["none", "error"]) -> str:
        """The value as text that reads back equal: under its aliases, else (where those only write) by its names."""
        text = self._adapter.dump_json(value, by_alias=True, round_trip=True, warnings=warnings)
        _check_size(text)
        _check_numbers(text)
        found = self._changed_by(text, value)
        if found is not None:
            named = self._adapter.dump_json(value, by_alias=False, round_trip=True, warnings=warnings)
            if named == text or self._changed_by(named, value) is not None:
                raise found if isinstance(found, InvalidOutput) else _not_the_same(found)
            text = named
        return text.decode()

    def _changed_by(self, text: bytes, value: object) -> Difference | InvalidOutput | None:
        """What is not the same in what is read back from a text; None when it is the same."""
        try:
            received = self.load(text)
        except InvalidOutput as error:
            return error
        if is_equal(value, received):
            return None
        found = difference(value, received)
        if found is None and self._adapter.dump_json(received, by_alias=True, round_trip=True) != text:
            return Difference("", "would be written otherwise after it was read back")
        return found


def _is_plain(value: object) -> bool:
    """Whether a value is JSON data as it stands: texts, finite numbers, booleans, None, and lists and dicts of them."""
    try:
        return is_equal(pydantic_core.from_json(pydantic_core.to_json(value)), value)
    except (pydantic_core.PydanticSerializationError, ValueError):
        return False


def _not_the_same(found: Difference) -> InvalidOutput:
    return InvalidOutput(
        f"The output would not arrive as it was returned: {found}. "
        "Annotate the function with the type that it returns, one that JSON can hold, or return plain data."
    )


def _raised(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}"


def _adapter_of(type: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(type, config=ConfigDict(ser_json_inf_nan="constants"))
    except PydanticUserError:  # a model has its own configuration
        return TypeAdapter(type)


def _check_numbers(text: bytes) -> None:
    """Refuse NaN and the infinities: as null they would silently be another value."""
    if not any(name in text for name in _NO_JSON_NUMBERS):
        return
    try:
        pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidOutput(
            "The output holds NaN or an infinity, which JSON does not have.",
            remedy="Return None or a text in its place.",
        ) from error


def _check_size(text: bytes) -> None:
    if len(text) > OUTPUT_BYTES_MAX:
        raise InvalidOutput(
            f"The output is {len(text) / MIB:.1f} MiB of JSON; at most {OUTPUT_BYTES_MAX // MIB} MiB are kept.",
            remedy="Write large results to a file or a bucket and return where they are.",
        )


def schema_for(type: Any, node: str) -> Schema:
    """Return the schema of a type; the same type gives the same schema. `node` names it in the error.

    Raises:
        WorkflowError: pydantic has no schema for the type, or none whose values can be read back from JSON.
    """
    schema = _known(type, node)
    if schema.never_read_back is not None:
        raise WorkflowError(
            f"The output type of {node}, {schema.name}, {schema.never_read_back}.",
            remedy="Return a type that JSON can hold, or say one with output=.",
        )
    return schema


def _known(type: Any, node: str) -> Schema:
    try:
        return _cached(type)
    except TypeError:  # an unhashable annotation
        return _made(type, node)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise _no_schema(type, node, error) from error


@lru_cache(maxsize=1024)
def _cached(type: Any) -> Schema:
    return Schema(type)


def _made(type: Any, node: str) -> Schema:
    try:
        return Schema(type)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        raise _no_schema(type, node, error) from error


def _no_schema(type: Any, node: str, error: Exception) -> WorkflowError:
    remedy = "Return plain data, a dataclass or a pydantic model, or say what it is with output=."
    if isinstance(error, PydanticUserError) and not isinstance(error, PydanticSchemaGenerationError):
        remedy = error.message  # it says what pydantic wants instead
    return WorkflowError(f"The output type of {node} is {type!r}, for which there is no JSON schema.", remedy=remedy)


def problems(error: ValidationError) -> str:
    """Say in one line what pydantic found wrong."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}" for one in found[:_PROBLEMS_SHOWN_MAX]]
    more = len(found) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
