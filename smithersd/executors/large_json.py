"""Read and write large JSON without blocking the event loop: which values are large, and how threads take turns."""

import gc
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from smithersd.elements.not_a_value import NotAValue

PARTS_MAX = 1_000
"""How many values inside a result may be written in the loop: that takes well under a millisecond."""

PART_LENGTH = 64
"""How many characters of text count as one more value."""

_SCALAR_TYPES = frozenset({type(None), bool, int, float})

_TURN_WAIT_S: Final = 5.0
"""How long a thread waits for its turn: an author's validator may never return."""

_YIELD_S: Final = 0.005
"""How long a thread that is done keeps its turn, so that the loop gets to run."""

_turn = threading.Lock()


def is_large(result: Any) -> bool:
    """Return whether writing the result as JSON would block the event loop for longer than handing it to a thread.

    What cannot be inspected counts as large, and so does an iterator, whose length is unknown.
    """
    if type(result) in _SCALAR_TYPES:
        return False
    try:
        return _has_many_parts(result)
    except Exception:  # noqa: BLE001 - an author's __len__ or __getattr__; writing it will report the error
        return True


def _has_many_parts(result: Any) -> bool:
    parts_left = PARTS_MAX
    unseen: list[Iterable[Any]] = [(result,)]
    while unseen:
        for part in unseen.pop():
            parts_left -= 1
            if isinstance(part, (str, bytes)):
                parts_left -= len(part) // PART_LENGTH
            elif type(part) not in _SCALAR_TYPES:
                unseen.append(_inside(part))
            if parts_left < 0:
                return True
    return False


def _inside(part: Any) -> Iterable[Any]:
    match part:
        case Mapping():
            return (*part.keys(), *part.values()) if len(part) < PARTS_MAX else range(PARTS_MAX)
        case NotAValue():
            return ()  # an element: its output is read elsewhere
        case Iterator():
            return range(PARTS_MAX)
        case list() | tuple() | set() | frozenset():
            return part
        case _:
            return _attributes(part)


def _attributes(part: Any) -> Iterable[Any]:
    """Return what a model, a dataclass or any other object holds, with or without slots."""
    held = getattr(part, "__dict__", None)
    if isinstance(held, dict):
        return tuple(held.values())
    slots = getattr(type(part), "__slots__", ())
    return [getattr(part, name, None) for name in slots]


@contextmanager
def large_json() -> Iterator[None]:
    """Let one thread at a time read or write large JSON, without garbage collection meanwhile.

    No other thread runs while pydantic reads a text, so several that read at once would block the loop for the sum of
    their times. And each collection looks at every object that was made so far: with it, a text of 8 MB takes five
    times as long.
    """
    has_turn = _turn.acquire(timeout=_TURN_WAIT_S)
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            _move_to_oldest_generation()
            gc.enable()
        if has_turn:
            time.sleep(_YIELD_S)  # the other threads still wait, so the loop runs now
            _turn.release()


def _move_to_oldest_generation() -> None:
    """Move the new objects to the oldest generation: the next quick collections would find no garbage in them."""
    gc.freeze()
    gc.unfreeze()
