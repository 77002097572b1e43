"""How much there is to write in a result, judged without writing it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from smithersd.elements.not_a_value import NotAValue

PARTS_MAX = 1_000
"""Values inside a result that are still written in the loop: well under a millisecond."""

PART_LENGTH = 64
"""Characters of text that count as one more part."""

_LIGHT_TYPES = frozenset({type(None), bool, int, float})


def is_large(result: Any) -> bool:
    """Whether writing the result as JSON would hold up the event loop for longer than a thread's hop is worth.

    What cannot be looked into, and an iterator, which yields who knows how much, is for a thread.
    """
    if type(result) in _LIGHT_TYPES:
        return False
    try:
        return _has_many_parts(result)
    except Exception:  # noqa: BLE001 - an author's __len__ or __getattr__; writing it tells what is wrong
        return True


def _has_many_parts(result: Any) -> bool:
    parts_left = PARTS_MAX
    unseen: list[Iterable[Any]] = [(result,)]
    while unseen:
        for part in unseen.pop():
            parts_left -= 1
            if isinstance(part, (str, bytes)):
                parts_left -= len(part) // PART_LENGTH
            elif type(part) not in _LIGHT_TYPES:
                unseen.append(_inside(part))
            if parts_left < 0:
                return True
    return False


def _inside(part: Any) -> Iterable[Any]:
    match part:
        case Mapping():
            return (*part.keys(), *part.values()) if len(part) < PARTS_MAX else range(PARTS_MAX)
        case NotAValue():
            return ()  # its output is not here yet
        case Iterator():
            return range(PARTS_MAX)
        case list() | tuple() | set() | frozenset():
            return part
        case _:
            return _attributes(part)


def _attributes(part: Any) -> Iterable[Any]:
    """What a model, a dataclass or any other object holds, with and without slots."""
    held = getattr(part, "__dict__", None)
    if isinstance(held, dict):
        return tuple(held.values())
    slots = getattr(type(part), "__slots__", ())
    return [getattr(part, name, None) for name in slots]
