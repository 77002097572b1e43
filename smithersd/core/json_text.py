"""Read JSON from outside: accept only what every parser reads the same and every store can hold."""

import json
from typing import Any, NoReturn

from smithersd.elements.values.nesting import is_deeper_than

_DIGITS_MAX = 1_000
"""The length of an integer from which on it is refused, since parsing it takes long and few clients could read it."""


class JsonTooDeep(ValueError):
    """The JSON is nested deeper than allowed."""


def parse_json(text: str, *, depth_max: int) -> Any:
    """Return the value of a JSON text.

    Raises:
        JsonTooDeep: the text is nested deeper than `depth_max`.
        ValueError: the text is not valid JSON, or cannot be stored; the message says why.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
        # A surrogate without its other half, from an escape or a command line, cannot be encoded as UTF-8.
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise JsonTooDeep("it is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from None
    except UnicodeEncodeError:
        raise ValueError("it contains half a surrogate pair") from None
    if is_deeper_than(value, depth_max):
        raise JsonTooDeep(f"it is nested deeper than {depth_max} levels")
    return value


def json_text(value: Any) -> str:
    """Return a value as the JSON text that a store keeps."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def one_line(text: str) -> str:
    """Return a JSON text with the three other characters escaped that Python or JavaScript take for a line end."""
    return text if text.isascii() else text.translate(_LINE_ENDS)


_LINE_ENDS = {ord(character): f"\\u{ord(character):04x}" for character in "\u0085\u2028\u2029"}


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twice[:50]!r} appears twice")
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
