"""Reading and writing much JSON without holding up the event loop of the same process."""

import gc
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_TURN_WAIT_S: Final = 5.0
"""How long a thread waits for its turn: a validator of the author's may take for ever."""

_REST_S: Final = 0.005
"""How long a thread that is done rests before it gives its turn away."""

_turn = threading.Lock()


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
