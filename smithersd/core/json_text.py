"""JSON from outside: only what every reader reads the same, and what every store and client can hold."""

import json
from typing import Any, NoReturn

from smithersd.elements.values.nesting import is_deeper_than

_DIGITS_MAX = 1_000
"""Longer whole numbers are no numbers that anybody can read back, and take long to parse."""


class JsonTooDeep(ValueError):
    """Values lie in one another deeper than is allowed."""


def parse_json(text: str, *, depth_max: int) -> Any:
    """Read a JSON text.

    Raises:
        JsonTooDeep: it is nested deeper than `depth_max`.
        ValueError: it is no JSON, or some that cannot be kept; the message says what is wrong with it.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        # Escapes can spell half a surrogate pair, which no UTF-8 can hold; so can a command line.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise JsonTooDeep("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half a surrogate pair") from None
    if is_deeper_than(value, depth_max):
        raise JsonTooDeep(f"it is nested deeper than {depth_max} levels")
    return value


def json_text(value: Any) -> str:
    """Write a value as the JSON text that a store keeps."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def one_line(text: str) -> str:
    """Return a JSON text in which nothing is a line's end to anybody: Python and JavaScript know three more of them."""
    return text if text.isascii() else text.translate(_LINE_ENDS)


_LINE_ENDS = {ord(character): f"\\u{ord(character):04x}" for character in "\u0085\u2028\u2029"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:50]!r} comes twice")
    return made


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:50]} is too large")
    return number


def _whole(text: str) -> int:
    if len(text) > _DIGITS_MAX:
        raise ValueError(f"the number {text[:20]}... has more than {_DIGITS_MAX} digits")
    return int(text)
