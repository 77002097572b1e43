"""Request bodies: JSON objects within limits, checked strictly.

Bodies are read as JSON whatever their content type says. A body that could be read in two ways (a key that comes
twice, NaN, half a surrogate pair) is INVALID_JSON; one that is JSON but not what the route takes is INVALID_REQUEST.
Nothing is coerced. An empty body means: all defaults.
"""

import asyncio
import json
from typing import Annotated, Any, NoReturn, TypeVar

import aiohttp
from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from smithersd.config import BODY_BYTES_MAX, BODY_DEPTH_MAX, BODY_TIMEOUT_S
from smithersd.errors import InvalidRequest
from smithersd.serve.errors import InvalidJson, PayloadTooLarge, RequestTimeout
from smithersd.serve.queries import INT64_MAX

_DIGITS_MAX = 1_000
"""Longer whole numbers are no numbers that anybody can read back, and take long to parse."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold the character NUL")
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
"""Text that every store can hold."""


class Body(BaseModel):
    """What all bodies share: camelCase names, nothing unknown, nothing coerced."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, frozen=True)


class NoBody(Body):
    """The body of a route that takes nothing: empty, or `{}`."""


class DecisionBody(Body):
    """The body of approve and deny; null means absent."""

    iteration: Annotated[int, Field(ge=0, le=INT64_MAX)] | None = None
    note: Text | None = None
    decided_by: Text | None = None
    decision: Any = None


_Model = TypeVar("_Model", bound=Body)


async def read_body(request: web.Request, model: type[_Model]) -> _Model:
    """Read and check a request's body.

    Raises:
        InvalidJson: it is no JSON.
        InvalidRequest: it is no object, is nested too deep, or has unknown or mistyped fields.
        PayloadTooLarge: it exceeds BODY_BYTES_MAX.
        RequestTimeout: it did not arrive in BODY_TIMEOUT_S.
    """
    raw = await _read_bytes(request)
    value = _parsed(raw) if raw else {}
    if not isinstance(value, dict):
        raise InvalidRequest("The body must be a JSON object.")
    if _is_deeper_than(value, BODY_DEPTH_MAX):
        _refuse_depth()
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explained(error) from None


def json_text(value: Any) -> str:
    """Write a value of a body as the JSON text that a store keeps."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


async def _read_bytes(request: web.Request) -> bytes:
    # Not request.read(): its limit is that of whatever application this one is mounted in.
    if (request.content_length or 0) > BODY_BYTES_MAX:
        _refuse_size()
    await _invite(request)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read_within_limit(request)
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:g} seconds.") from None
    except (web.RequestPayloadError, aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError):
        raise InvalidRequest("The body does not arrive as its headers say.") from None


async def _invite(request: web.Request) -> None:
    """Tell a client to send its body, if it asked; one that was refused before never sends it."""
    if request.version >= aiohttp.HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0


async def _read_within_limit(request: web.Request) -> bytes:
    if request.content.at_eof():
        # An outer middleware has read it (it is remembered), or there is none.
        body = await request.read()
        if len(body) > BODY_BYTES_MAX:
            _refuse_size()
        return body
    parts = bytearray()
    async for part in request.content.iter_any():
        parts += part
        if len(parts) > BODY_BYTES_MAX:
            _refuse_size()
    return bytes(parts)


def _refuse_size() -> NoReturn:
    raise PayloadTooLarge(f"The body is larger than {BODY_BYTES_MAX} bytes.", details={"maxBytes": BODY_BYTES_MAX})


def _refuse_depth() -> NoReturn:
    raise InvalidRequest(f"The body is nested deeper than {BODY_DEPTH_MAX} levels.")


def _parsed(raw: bytes) -> Any:
    try:
        text = raw.decode()
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        if "\\u" in text:
            # Escapes can spell half a surrogate pair, which no UTF-8 can hold.
            json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        _refuse_depth()
    except ValueError as error:
        raise InvalidJson(f"The body is not JSON: {_reason(error)}.") from None
    return value


def _reason(error: ValueError) -> str:
    match error:
        case json.JSONDecodeError():
            return f"{error.msg} at line {error.lineno}, column {error.colno}"
        case UnicodeDecodeError():
            return "it is not UTF-8"
        case UnicodeEncodeError():
            return "it holds half a surrogate pair"
        case _:
            return str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:50]!r} comes twice")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:50]} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"the number {text[:20]}... has more than {_DIGITS_MAX} digits")
    return int(text)


def _is_deeper_than(value: Any, depth: int) -> bool:
    """Whether containers lie in one another more than `depth` deep; level by level, so that depth costs no stack."""
    level = [value]
    for _ in range(depth):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def _explained(error: ValidationError) -> InvalidRequest:
    problems = [
        {"field": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ][:10]
    said = "; ".join(f"{problem['field'][:50]}: {problem['problem']}" for problem in problems)
    return InvalidRequest(f"The body does not fit: {said}.", details={"problems": problems})
