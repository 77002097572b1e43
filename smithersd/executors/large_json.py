"""Much JSON, read and written without holding up the event loop: what is much, and how threads take turns."""

import gc
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from smithersd.elements.not_a_value import NotAValue

PARTS_MAX = 1_000
"""Values inside a result that are still written in the loop: well under a millisecond."""

PART_LENGTH = 64
"""Characters of text that count as one more part."""

_LIGHT_TYPES = frozenset({type(None), bool, int, float})

_TURN_WAIT_S: Final = 5.0
"""How long a thread waits for its turn: a validator of the author's may take for ever."""

_REST_S: Final = 0.005
"""How long a thread that is done rests before it gives its turn away."""

_turn = threading.Lock()


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


@contextmanager
def large_json() -> Iterator[None]:
    """Give one thread after the other its turn, without garbage collection meanwhile.

    No other thread runs while pydantic reads a text, so those that read at once would keep the loop waiting for all of
    them. And each collection looks at every object that was made so far: with it a text of 8 MB takes five times as
    long.
    """
    has_turn = _turn.acquire(timeout=_TURN_WAIT_S)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _count_as_old()
            gc.enable()
        if has_turn:
            time.sleep(_REST_S)  # the others wait for their turn: this is the loop's
            _turn.release()


def _count_as_old() -> None:
    """Spare the next quick collections what was just made: of all of it they would find nothing to throw away."""
    gc.freeze()
    gc.unfreeze()
