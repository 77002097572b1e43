"""The errors of requests and their responses: one table from code to status, one envelope.

    {"error": {"code", "message", "details"?}}

A message says what happened and what to do. For an unexpected error the client gets only an id, which is also
in the log.
"""

import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from types import MappingProxyType

from aiohttp import hdrs, web

from smithersd.errors import (
    ApprovalAlreadyDecided,
    ApprovalAmbiguous,
    ApprovalNotPending,
    InvalidRequest,
    LeaseLost,
    NodeNotFound,
    ResultNotFound,
    RunIsDriven,
    RunNotActive,
    RunNotFound,
    SmithersError,
    StoreInvalid,
    StoreUnavailable,
    TimerNotPending,
    TooManySignals,
    UserError,
)
from smithersd.loggers import logger
from smithersd.serve.answers import json_answer

_log = logger(__name__)


class InvalidJson(UserError):
    """The body is not valid JSON."""

    code = "INVALID_JSON"


class Unauthorized(UserError):
    """The request has no token, or a wrong one."""

    code = "UNAUTHORIZED"


class Forbidden(UserError):
    """No token is set, and the request may come from another machine or site."""

    code = "FORBIDDEN"


class RouteNotFound(UserError):
    """No route has this path."""

    code = "NOT_FOUND"


class MethodNotAllowed(UserError):
    """The path is known, but not with this method."""

    code = "METHOD_NOT_ALLOWED"

    def __init__(self, method: str, allowed: Iterable[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"This path does not take {method}.", remedy=f"Use one of: {self.allowed}.")


class PayloadTooLarge(UserError):
    """The body is larger than BODY_BYTES_MAX."""

    code = "PAYLOAD_TOO_LARGE"


class UnsupportedMediaType(UserError):
    """The body is compressed."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class RunMismatch(UserError):
    """The request names another run than the one that is served here."""

    code = "RUN_MISMATCH"


class RequestTimeout(UserError):
    """The body did not arrive in time."""

    code = "REQUEST_TIMEOUT"


class TooManyStreams(UserError):
    """The app has as many open event streams as it may have."""

    code = "TOO_MANY_STREAMS"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message, remedy=f"Try again in {retry_after_s} seconds.")
        self.retry_after_s = retry_after_s


class NotReady(SmithersError):
    """The store does not answer, or the engine in this process cannot continue."""

    code = "NOT_READY"


STATUS_BY_CODE: Mapping[str, HTTPStatus] = MappingProxyType(
    {
        InvalidJson.code: HTTPStatus.BAD_REQUEST,
        InvalidRequest.code: HTTPStatus.BAD_REQUEST,
        Unauthorized.code: HTTPStatus.UNAUTHORIZED,
        Forbidden.code: HTTPStatus.FORBIDDEN,
        RouteNotFound.code: HTTPStatus.NOT_FOUND,
        RunNotFound.code: HTTPStatus.NOT_FOUND,
        NodeNotFound.code: HTTPStatus.NOT_FOUND,
        ResultNotFound.code: HTTPStatus.NOT_FOUND,
        MethodNotAllowed.code: HTTPStatus.METHOD_NOT_ALLOWED,
        RequestTimeout.code: HTTPStatus.REQUEST_TIMEOUT,
        ApprovalAmbiguous.code: HTTPStatus.CONFLICT,
        ApprovalAlreadyDecided.code: HTTPStatus.CONFLICT,
        ApprovalNotPending.code: HTTPStatus.CONFLICT,
        TimerNotPending.code: HTTPStatus.CONFLICT,
        TooManySignals.code: HTTPStatus.CONFLICT,
        RunNotActive.code: HTTPStatus.CONFLICT,
        RunIsDriven.code: HTTPStatus.CONFLICT,
        LeaseLost.code: HTTPStatus.CONFLICT,
        RunMismatch.code: HTTPStatus.CONFLICT,
        PayloadTooLarge.code: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        UnsupportedMediaType.code: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        TooManyStreams.code: HTTPStatus.TOO_MANY_REQUESTS,
        StoreInvalid.code: HTTPStatus.INTERNAL_SERVER_ERROR,
        SmithersError.code: HTTPStatus.INTERNAL_SERVER_ERROR,
        NotReady.code: HTTPStatus.SERVICE_UNAVAILABLE,
        StoreUnavailable.code: HTTPStatus.SERVICE_UNAVAILABLE,
    }
)
"""Every code that a client can get. A code that is not here is answered as SERVER_ERROR."""


def error_answer(error: Exception) -> web.Response:
    """Return the response for an error."""
    match error:
        case web.HTTPException():
            return _envelope(_translated(error))
        case StoreUnavailable():
            # Its own message may hold paths and SQL.
            return _envelope(StoreUnavailable("The store does not answer at present.", remedy="Try again."))
        case SmithersError() if error.code in STATUS_BY_CODE and error.code != SmithersError.code:
            return _envelope(error)
        case _:
            return _internal_error_answer(error)


def _envelope(error: SmithersError) -> web.Response:
    message = error.message if error.remedy is None else f"{error.message} {error.remedy}"
    body: dict[str, object] = {"code": error.code, "message": message}
    if error.details is not None:
        body["details"] = error.details
    return json_answer({"error": body}, status=STATUS_BY_CODE[error.code], headers=_headers(error))


def _headers(error: SmithersError) -> dict[str, str]:
    match error:
        case Unauthorized():
            return {hdrs.WWW_AUTHENTICATE: "Bearer"}
        case MethodNotAllowed():
            return {hdrs.ALLOW: error.allowed}
        case TooManyStreams():
            return {hdrs.RETRY_AFTER: str(error.retry_after_s)}
        case StoreUnavailable() | NotReady():
            return {hdrs.RETRY_AFTER: "1"}
        case PayloadTooLarge() | RequestTimeout() | UnsupportedMediaType():
            # The rest of the body is not read.
            return {hdrs.CONNECTION: "close"}
        case _:
            return {}


def _translated(error: web.HTTPException) -> SmithersError:
    match error:
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(error.method, error.allowed_methods)
        case web.HTTPNotFound():
            return RouteNotFound("No route has this path.")
        case web.HTTPRequestEntityTooLarge():
            return PayloadTooLarge("The body is too large.")
        case _:
            return InvalidRequest(f"The request cannot be answered: {error.reason}.")


def _internal_error_answer(error: Exception) -> web.Response:
    error_id = secrets.token_hex(8)
    _log.error("A request failed, error id %s.", error_id, exc_info=error)
    message = f"An internal error occurred. The server's log has its details under the id {error_id}."
    return _envelope(SmithersError(message, details={"id": error_id}))
