"""Request bodies: JSON objects within limits, checked strictly.

Bodies are read as JSON whatever their content type says. A body that parsers could read differently (a key that appears
twice, NaN, half a surrogate pair) is INVALID_JSON; JSON that the route does not accept is INVALID_REQUEST. Values are
not coerced. A request without a body means all defaults; a body that was announced and did not arrive completely is
refused. A compressed body is refused too, since 1 MB may expand to 1 GB.
"""

import asyncio
from typing import Annotated, Any, NoReturn, TypeVar

import aiohttp
from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from smithersd.core.json_text import JsonTooDeep, parse_json
from smithersd.errors import InvalidRequest
from smithersd.limits import BODY_BYTES_MAX, BODY_TIMEOUT_S, JSON_DEPTH_MAX
from smithersd.serve.context import run_of
from smithersd.serve.errors import InvalidJson, PayloadTooLarge, RequestTimeout, UnsupportedMediaType
from smithersd.serve.queries import INT64_MAX
from smithersd.serve.run_match import check_named_run

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul", "must not contain the character NUL")  # a ValueError's message gets a prefix
    return text


Text = Annotated[str, AfterValidator(_without_nul)]
"""Text without NUL, which every store can keep."""


class Body(BaseModel):
    """The base of all bodies: camelCase names, no unknown fields, no coercion, and optionally the run's id."""

    model_config = ConfigDict(strict=True, extra="forbid", alias_generator=to_camel, frozen=True)

    run_id: str | None = None


class NoBody(Body):
    """The body of a route without fields of its own: empty, or `{}`."""


class WaitBody(Body):
    """The base of bodies about a wait; null means absent. Without an iteration, the only pending one is used."""

    iteration: Annotated[int, Field(ge=0, le=INT64_MAX)] | None = None


class FireBody(WaitBody):
    """The body of fire."""

    fired_by: Text | None = None


class SignalBody(Body):
    """The body of signal; null means absent."""

    data: Any = None
    correlation_id: Text | None = None
    sent_by: Text | None = None


class DecisionBody(WaitBody):
    """The body of approve and deny."""

    note: Text | None = None
    decided_by: Text | None = None
    decision: Any = None


_Model = TypeVar("_Model", bound=Body)


async def read_body(request: web.Request, model: type[_Model]) -> _Model:
    """Read and check a request's body.

    Raises:
        InvalidJson: the body is not valid JSON.
        InvalidRequest: the body did not arrive completely, is not an object, is nested too deep, or has unknown or
            mistyped fields.
        UnsupportedMediaType: the body is compressed.
        RunMismatch: the body names another run.
        PayloadTooLarge: the body is larger than BODY_BYTES_MAX.
        RequestTimeout: the body did not arrive within BODY_TIMEOUT_S.
    """
    _check_encoding(request)
    raw = await _read_bytes(request)
    _check_length(request, len(raw))
    value = _parsed(raw) if raw else {}
    if not isinstance(value, dict):
        raise InvalidRequest("The body is not a JSON object.", remedy="Send a JSON object, or no body.")
    try:
        body = model.model_validate(value)
    except ValidationError as error:
        raise _explained(error) from None
    check_named_run(body.run_id, run_of(request).run_id)
    return body


def _check_encoding(request: web.Request) -> None:
    encodings = {
        name.strip().lower() for name in ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, ())).split(",")
    }
    if encodings - {"", "identity"}:
        raise UnsupportedMediaType("A compressed body is not accepted.", remedy="Send it without Content-Encoding.")


def _check_length(request: web.Request, length: int) -> None:
    """Refuse a request whose announced body has not arrived, since an HTTP parser or a proxy may have lost it."""
    announced = request.content_length
    is_chunked = hdrs.TRANSFER_ENCODING in request.headers
    if (is_chunked and length == 0) or (announced is not None and length != announced):
        raise InvalidRequest(
            f"The headers announce a body, but only {length} bytes of it have arrived.",
            remedy="To decide without a body, send none: neither Content-Length nor Transfer-Encoding.",
        )


async def _read_bytes(request: web.Request) -> bytes:
    # Not request.read(), whose limit is that of the application in which this one is mounted.
    if (request.content_length or 0) > BODY_BYTES_MAX:
        _refuse_size()
    await _send_continue(request)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read_within_limit(request)
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:g} seconds.") from None
    except (web.RequestPayloadError, aiohttp.ClientPayloadError, aiohttp.http_exceptions.HttpProcessingError):
        raise InvalidRequest(
            "The body did not arrive as its headers announce.", remedy="Check Content-Length and Transfer-Encoding."
        ) from None


async def _send_continue(request: web.Request) -> None:
    """Send `100 Continue` if the client expects it; a client that was refused before does not send its body."""
    if request.version >= aiohttp.HttpVersion11 and request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
        await request.writer.write(_CONTINUE)
        request.writer.output_size = 0


async def _read_within_limit(request: web.Request) -> bytes:
    if request.content.at_eof():
        # There is no body, or an outer middleware has read it, and aiohttp keeps it.
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


def _parsed(raw: bytes) -> Any:
    try:
        return parse_json(raw.decode(), depth_max=JSON_DEPTH_MAX)
    except JsonTooDeep:
        raise InvalidRequest(f"The body is nested deeper than {JSON_DEPTH_MAX} levels.") from None
    except UnicodeDecodeError:
        raise InvalidJson("The body is not valid JSON: it is not UTF-8.") from None
    except ValueError as error:
        raise InvalidJson(f"The body is not valid JSON: {error}.") from None


def _explained(error: ValidationError) -> InvalidRequest:
    problems = [
        {"field": ".".join(str(part) for part in problem["loc"]), "problem": problem["msg"]}
        for problem in error.errors(include_url=False, include_input=False, include_context=False)
    ][:10]
    said = "; ".join(f"{problem['field'][:50]}: {problem['problem']}" for problem in problems)
    return InvalidRequest(f"The body is not valid: {said}.", details={"problems": problems})
