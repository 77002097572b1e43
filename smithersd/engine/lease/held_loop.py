"""Find out from another thread which code blocks an event loop, and warn of it, but not too often."""

import asyncio
import sys
from dataclasses import dataclass

from smithersd.author_errors import author_frame, place_of_frame
from smithersd.engine.clock import steady_s
from smithersd.executors import node_of_task
from smithersd.limits import HELD_LOOP_LINE_S, HELD_LOOP_SAME_LINE_S
from smithersd.loggers import logger

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Holder:
    """The code that blocks an event loop.

    `place` is the innermost line of the author's code ("flow.py:12 in fetch"), or of any code if none is the
    author's. `function` identifies the function that the line is in.
    """

    node_id: str | None
    place: str
    function: str


def loop_holder(loop: asyncio.AbstractEventLoop, thread_id: int) -> Holder | None:
    """Return the code that the loop of a thread is executing, or None if the thread has ended."""
    frame = sys._current_frames().get(thread_id)  # noqa: SLF001 - the documented way to another thread's stack
    if frame is None:
        return None
    task = asyncio.current_task(loop)
    frame = author_frame(frame) or frame
    code = frame.f_code
    return Holder(
        node_id=None if task is None else node_of_task(task),
        place=place_of_frame(frame, frame.f_lineno),
        function=f"{code.co_filename}:{code.co_firstlineno}",
    )


class HeldLoopReport:
    """Logs warnings of a blocked event loop.

    The first warning comes at once, one for another function after at least 10 s, and one for the same function once a
    minute.
    """

    def __init__(self) -> None:
        self._warned_at_s: dict[str, float] = {}
        self._has_warned = False

    def warn(self, held_s: float, holder: Holder | None) -> None:
        """Warn that the loop has been blocked for `held_s`, if a warning is due."""
        if holder is None or not self._is_due(holder.function):
            return
        self._has_warned = True
        who = "code of the workflow" if holder.node_id is None else f"task {holder.node_id!r}"
        _log.warning(
            "The event loop has been blocked for %.0f s by %s, at %s: meanwhile nothing else in the run happens, and "
            "the server does not answer. Make it a plain function (which runs in a thread), or use asyncio.to_thread.",
            held_s, who, holder.place,
        )  # fmt: skip

    def end(self, held_s: float) -> None:
        """Log that the loop runs again after it was blocked for `held_s`, if a warning was logged before."""
        if self._has_warned:
            self._has_warned = False
            _log.warning("The event loop runs again, after it was blocked for %.0f s.", held_s)

    def _is_due(self, function: str) -> bool:
        now_s = steady_s()
        recent = {name: at_s for name, at_s in self._warned_at_s.items() if now_s - at_s < HELD_LOOP_SAME_LINE_S}
        is_due = function not in recent and all(now_s - at_s >= HELD_LOOP_LINE_S for at_s in recent.values())
        self._warned_at_s = recent | {function: now_s} if is_due else recent
        return is_due
