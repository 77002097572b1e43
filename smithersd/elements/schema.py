"""What a node's output must look like, and its way to JSON and back.

A result is dumped to JSON, read back from that JSON by its schema, and it is the object read back that goes
downstream: so a run and its resumption see the same thing.
"""

from functools import lru_cache
from typing import Any

import pydantic_core
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError

from smithersd.config import MIB, OUTPUT_BYTES_MAX
from smithersd.errors import InvalidOutput, WorkflowError

_PROBLEMS_SHOWN_MAX = 5

_NO_JSON_NUMBERS = (b"NaN", b"Infinity")


class Schema:
    """The type of an output, as a pydantic TypeAdapter takes it; `Any` means any JSON value."""

    __slots__ = ("_adapter", "type")

    def __init__(self, type: Any) -> None:
        self.type = type
        self._adapter = _adapter_of(type)

    def dump(self, value: object) -> str:
        """Write a result as JSON text that `load` accepts.

        Raises:
            InvalidOutput: JSON cannot hold it, the schema refuses it, or it is larger than 10 MiB.
        """
        text = self._to_json(value)
        _check_numbers(text)
        if len(text) > OUTPUT_BYTES_MAX:
            raise InvalidOutput(
                f"The output is {len(text) / MIB:.1f} MiB of JSON; at most {OUTPUT_BYTES_MAX // MIB} MiB are kept.",
                remedy="Write large results to a file or a bucket and return where they are.",
            )
        self.load(text)
        return text.decode()

    def load(self, text: str | bytes) -> Any:
        """Read an output back from JSON text.

        Raises:
            InvalidOutput: the text does not fit the schema.
        """
        try:
            return self._adapter.validate_json(text)
        except ValidationError as error:
            raise InvalidOutput(f"The output does not fit {self.name}: {problems(error)}") from error

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

    def _to_json(self, value: object) -> bytes:
        try:
            return self._adapter.dump_json(value, by_alias=True, warnings="error")
        except (pydantic_core.PydanticSerializationError, ValueError, RecursionError):
            # A value of another type may still fit as JSON: a dict for a model, a tuple for a list.
            pass
        try:
            return pydantic_core.to_json(value, by_alias=True, inf_nan_mode="constants")
        except (pydantic_core.PydanticSerializationError, ValueError, RecursionError) as error:
            name = type(value).__name__
            raise InvalidOutput(f"The output, of type {name}, cannot be written as JSON: {error}") from error


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


def schema_for(type: Any, node: str) -> Schema:
    """Return the schema of a type; the same type gives the same schema. `node` names it in the error.

    Raises:
        WorkflowError: pydantic has no schema for the type.
    """
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
