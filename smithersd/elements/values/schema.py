"""The type of a node's output: how a result becomes JSON and is read back.

A result is written as JSON and read back by its type, and the object that was read back is what other nodes receive. So
a run and its resumption see the same value. If that value differs from what was returned, the output is refused with an
error that says where.
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
        """What in the type can never be read back as it was returned; None for nothing."""

    def dump(self, value: object) -> str:
        """Return a result as JSON text that `load` reads back as an equal value.

        A value of another type is first converted to this type by pydantic: a dict to a model, a tuple or an iterator
        to a list. No part of it may be lost.

        Raises:
            InvalidOutput: JSON cannot hold it, the type refuses it, a part of it would be lost or changed (the message
                says where), or it is larger than 10 MiB.
        """
        try:
            return self._dumped(value)
        except (InvalidOutput, MemoryError):
            raise
        except (Exception, SystemExit) as error:  # of pydantic, or of an author's serializer
            name = type(value).__name__
            raise InvalidOutput(f"The output, of type {name}, cannot be written as JSON: {_raised(error)}") from error

    def load(self, text: str | bytes) -> Any:
        """Read an output from JSON text.

        Raises:
            InvalidOutput: the text does not fit the type, or one of the type's validators raised.
        """
        try:
            return self._adapter.validate_json(text, by_alias=True, by_name=True)
        except ValidationError as error:
            raise InvalidOutput(f"The output does not fit {self.name}: {problems(error)}") from error
        except (Exception, SystemExit) as error:
            raise InvalidOutput(f"A validator of {self.name} refused the output: {_raised(error)}") from error

    def problem(self, text: str) -> InvalidOutput | None:
        """Return why JSON text that others wrote is refused, None if it is not; details tell the fields."""
        try:
            self.normalised(text)
        except InvalidOutput as error:
            found = error.__cause__.errors() if isinstance(error.__cause__, ValidationError) else []
            fields = [{"field": ".".join(map(str, one["loc"])), "problem": one["msg"]} for one in found]
            fields = fields[:_PROBLEMS_SHOWN_MAX] or [{"field": "", "problem": error.message}]
            return InvalidOutput(error.message, details={"problems": fields})
        return None

    def unknown_key(self, data: object) -> UnknownKey | None:
        """Return the first key in plain data that the type does not have; None if there is none."""
        return unknown_key(self._adapter.core_schema, data)

    def given_text(self, value: object) -> bytes:
        """Return a value as JSON text that `load` takes, with only those fields of models that were set.

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
        """Check JSON text from elsewhere, and return it as `dump` writes it.

        Raises:
            InvalidOutput: it is not valid JSON, or the type refuses it.
        """
        return self.dump(self.load(text))

    @property
    def name(self) -> str:
        """The type's name in messages."""
        return getattr(self.type, "__name__", None) or str(self.type)

    def _dumped(self, value: object) -> str:
        if isinstance(value, Iterator) and self.type is not Any:
            value = list(value)  # it can be read only once, and is read several times below
        try:
            return self._text_of(value, warnings="error")
        except pydantic_core.PydanticSerializationError:  # the value is of another type, or JSON cannot hold it
            return self._text_of(self._converted(value), warnings="none")

    def _converted(self, value: object) -> Any:
        """Convert a value of another type to this type."""
        try:
            made = self._adapter.validate_python(value, by_alias=True, by_name=True)
        except ValidationError as error:
            if not _is_plain(value):
                raise InvalidOutput(f"The output does not fit {self.name}: {problems(error)}") from error
            made = self.load(pydantic_core.to_json(value))  # a strict type may accept it from JSON only
        missing = lost(value, made)
        if missing is not None:
            raise InvalidOutput(f"The output cannot be converted to {self.name}: {missing}.")
        return made

    def _text_of(self, value: object, *, warnings: Literal["none", "error"]) -> str:
        """Return the value as JSON text that reads back equal, with aliases as keys or else with field names."""
        text = self._adapter.dump_json(value, by_alias=True, round_trip=True, warnings=warnings)
        _check_size(text)
        _check_numbers(text)
        found = self._changed_by(text, value)
        if found is not None:
            named = self._adapter.dump_json(value, by_alias=False, round_trip=True, warnings=warnings)
            if named == text or self._changed_by(named, value) is not None:
                raise found if isinstance(found, InvalidOutput) else _changed_output(found)
            text = named
        return text.decode()

    def _changed_by(self, text: bytes, value: object) -> Difference | InvalidOutput | None:
        """Return how the value read back from a text differs from the given one; None if it does not."""
        try:
            received = self.load(text)
        except InvalidOutput as error:
            return error
        if is_equal(value, received):
            return None
        found = difference(value, received)
        if found is None and self._adapter.dump_json(received, by_alias=True, round_trip=True) != text:
            return Difference("", "would be written differently after it was read back")
        return found


def _is_plain(value: object) -> bool:
    """Return whether a value is plain JSON data: texts, finite numbers, booleans, None, lists and dicts of them."""
    try:
        return is_equal(pydantic_core.from_json(pydantic_core.to_json(value)), value)
    except (pydantic_core.PydanticSerializationError, ValueError):
        return False


def _changed_output(found: Difference) -> InvalidOutput:
    return InvalidOutput(
        f"The output would not arrive as it was returned: {found}. "
        "Annotate the function with the type that it returns, if JSON can hold that type, or return plain data."
    )


def _raised(error: BaseException) -> str:
    return f"{type(error).__name__}: {text_of(error)}"


def _adapter_of(type: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(type, config=ConfigDict(ser_json_inf_nan="constants"))
    except PydanticUserError:  # a model has its own configuration
        return TypeAdapter(type)


def _check_numbers(text: bytes) -> None:
    """Refuse NaN and infinities, which would silently become null."""
    if not any(name in text for name in _NO_JSON_NUMBERS):
        return
    try:
        pydantic_core.from_json(text, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidOutput(
            "The output holds NaN or an infinity, which JSON does not have.",
            remedy="Return None or a text instead.",
        ) from error


def _check_size(text: bytes) -> None:
    if len(text) > OUTPUT_BYTES_MAX:
        raise InvalidOutput(
            f"The output is {len(text) / MIB:.1f} MiB of JSON; at most {OUTPUT_BYTES_MAX // MIB} MiB are allowed.",
            remedy="Write large results to a file or a bucket, and return its path or URL.",
        )


def schema_for(type: Any, node: str) -> Schema:
    """Return the schema of a type; the same type gives the same schema. `node` names it in the error.

    Raises:
        WorkflowError: pydantic has no schema for the type, or none whose values can be read back from JSON.
    """
    schema = _schema_of(type, node)
    if schema.never_read_back is not None:
        raise WorkflowError(
            f"The output type of {node}, {schema.name}, {schema.never_read_back}.",
            remedy="Return a type that JSON can hold, or give one with output=.",
        )
    return schema


def _schema_of(type: Any, node: str) -> Schema:
    try:
        return _cached(type)
    except TypeError:  # an unhashable annotation
        return _new_schema(type, node)
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise _no_schema(type, node, error) from error


@lru_cache(maxsize=1024)
def _cached(type: Any) -> Schema:
    return Schema(type)


def _new_schema(type: Any, node: str) -> Schema:
    try:
        return Schema(type)
    except (PydanticSchemaGenerationError, PydanticUserError, TypeError) as error:
        raise _no_schema(type, node, error) from error


def _no_schema(type: Any, node: str, error: Exception) -> WorkflowError:
    remedy = "Return plain data, a dataclass or a pydantic model, or give the type with output=."
    if isinstance(error, PydanticUserError) and not isinstance(error, PydanticSchemaGenerationError):
        remedy = error.message  # says what pydantic expects instead
    return WorkflowError(f"The output type of {node} is {type!r}, for which there is no JSON schema.", remedy=remedy)


def problems(error: ValidationError) -> str:
    """Return in one line what pydantic found wrong, at most five problems."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    lines = [f"{'.'.join(map(str, one['loc'])) or 'value'}: {one['msg']}" for one in found[:_PROBLEMS_SHOWN_MAX]]
    more = len(found) - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
