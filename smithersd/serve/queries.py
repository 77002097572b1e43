"""Query parameters, read strictly: a parameter that a route does not know, or that comes twice, is a mistake.

A misspelt parameter that is passed over in silence would answer another question than was asked.
"""

import re
from collections.abc import Mapping

from aiohttp import web

from smithersd.errors import InvalidRequest
from smithersd.serve.run_match import RUN_PARAMETER

INT64_MAX = 2**63 - 1
"""The largest number that every store can hold."""

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def read_query(request: web.BaseRequest, *names: str) -> Mapping[str, str]:
    """Return the parameters of a request that may have these, and the one that every request may have.

    Raises:
        InvalidRequest: another parameter is there, or one of these twice.
    """
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in names and name != RUN_PARAMETER:
            known = f"This route knows {', '.join(names)}." if names else "This route knows none."
            raise InvalidRequest(f"Unknown query parameter {name!r}.", remedy=known)
        if name in values:
            raise InvalidRequest(f"The query parameter {name!r} comes twice.")
        values[name] = value
    return values


def integer_of(text: str) -> int | None:
    """Return the number that a text of ASCII digits is, or None when it is none or exceeds 64 bits."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -INT64_MAX <= number <= INT64_MAX else None


def integer(values: Mapping[str, str], name: str, *, minimum: int, maximum: int = INT64_MAX) -> int | None:
    """Return a parameter that is a number, None when it is absent.

    Raises:
        InvalidRequest: it is no number, or lies outside of its bounds.
    """
    text = values.get(name)
    if text is None:
        return None
    number = integer_of(text)
    if number is None or not minimum <= number <= maximum:
        bounds = f"from {minimum} to {maximum}" if maximum != INT64_MAX else f"of at least {minimum}"
        raise InvalidRequest(f"The query parameter {name!r} must be a whole number {bounds}.")
    return number
