"""Query parameters, read strictly: a parameter that a route does not know, or that is given twice, is an error.

If a misspelt parameter were ignored, the client would get the answer to another question.
"""

import re
from collections.abc import Mapping

from aiohttp import web

from smithersd.errors import InvalidRequest
from smithersd.serve.run_match import RUN_PARAMETER

INT64_MAX = 2**63 - 1
"""The largest integer that every store can hold."""

_INTEGER = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def read_query(request: web.BaseRequest, *names: str) -> Mapping[str, str]:
    """Return a request's query parameters; allowed are `names`, and RUN_PARAMETER for every route.

    Raises:
        InvalidRequest: the request has another parameter, or one of these twice.
    """
    values: dict[str, str] = {}
    for name, value in request.query.items():
        if name not in names and name != RUN_PARAMETER:
            known = f"This route takes: {', '.join(names)}." if names else "This route takes none."
            raise InvalidRequest(f"Unknown query parameter {name!r}.", remedy=known)
        if name in values:
            raise InvalidRequest(f"The query parameter {name!r} is given twice.")
        values[name] = value
    return values


def integer_of(text: str) -> int | None:
    """Parse a decimal integer in ASCII digits; return None if the text is not one, or exceeds 64 bits."""
    if _INTEGER.fullmatch(text) is None:
        return None
    number = int(text)
    return number if -INT64_MAX <= number <= INT64_MAX else None


def integer(values: Mapping[str, str], name: str, *, minimum: int, maximum: int = INT64_MAX) -> int | None:
    """Return a parameter as an integer; None if it is absent.

    Raises:
        InvalidRequest: it is not an integer, or not within the bounds.
    """
    text = values.get(name)
    if text is None:
        return None
    number = integer_of(text)
    if number is None or not minimum <= number <= maximum:
        bounds = f"from {minimum} to {maximum}" if maximum != INT64_MAX else f"of at least {minimum}"
        raise InvalidRequest(f"The query parameter {name!r} must be a whole number {bounds}.")
    return number
