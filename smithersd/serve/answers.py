"""JSON responses, with the headers that every response carries."""

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from aiohttp import hdrs, web

from smithersd.query.json import to_json

EVERY_ANSWER: Mapping[str, str] = MappingProxyType(
    {
        hdrs.CACHE_CONTROL: "no-store",
        "X-Content-Type-Options": "nosniff",
        hdrs.SERVER: "smithersd",
    }
)
"""Headers of every response: it is not cached, its type is not guessed, and it names no versions."""


def json_answer(value: Any, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response with a value as JSON."""
    return raw_answer(to_json(value), status=status, headers=headers)


def raw_answer(body: bytes, *, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a response whose body is JSON text already."""
    answer = web.Response(body=body, status=status, content_type="application/json", headers=headers)
    answer.headers.extend(EVERY_ANSWER)
    return answer
