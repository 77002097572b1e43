"""SIGINT, SIGTERM and SIGHUP as requests to a running loop.

The facts that shape this file:

- A handler of `signal.signal` runs in the main thread between two steps of Python, also while author code blocks the
  loop. One of `loop.add_signal_handler` would wait for the loop, and a second Ctrl+C would end nothing.
- Inside such a handler nothing is safe but to ask the loop for a call, which also wakes it.
- `asyncio.run` and `signal.set_wakeup_fd` users (uvloop) leave handlers alone that are not theirs; whoever installs
  one puts back what was there.
- A forked child inherits handlers, and the loop's wake-up with them: a worker of a task's process pool would ask *our*
  loop to stop and never end itself, and the pool would wait for it for ever.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from smithersd.posix.process.forks import after_fork_in_child

FORCED_END_S = 1.0
"""How long an orderly end may take after the second signal; then the process exits at once."""

_exit_at_once = os._exit
"""Kept from before author code could replace it."""

_CHILD_HANDLERS: dict[signal.Signals, Callable[[int, FrameType | None], None] | signal.Handlers] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}
"""The handlers of any other Python process."""


class StopSignals:
    """Counts the stop signals and calls back in the loop; SIGHUP only calls `on_hangup`.

    The first one calls `on_first`. The second calls `on_second`, and the process exits soon after, whether the loop is
    free or not: with the `exit_code` that follows from the first signal, once `before_exit` was called in a thread.
    """

    def __init__(
        self,
        *,
        on_first: Callable[[signal.Signals], None],
        on_second: Callable[[], None],
        on_hangup: Callable[[], None],
        exit_code: Callable[[signal.Signals], int],
        before_exit: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_first = on_first
        self._on_second = on_second
        self._on_hangup = on_hangup
        self._exit_code = exit_code
        self._before_exit = before_exit
        self._first: signal.Signals | None = None
        self._is_forced = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Handle the signals while the `with` lasts; call it in the main thread."""
        handlers = {signal.SIGINT: self._handle, signal.SIGTERM: self._handle, signal.SIGHUP: self._hang_up}
        before = {
            signum: signal.signal(signum, handler)
            for signum, handler in handlers.items()
            # An ignored signal stays ignored: a script's `command &` ignores SIGINT, nohup SIGHUP.
            if signum is signal.SIGTERM or signal.getsignal(signum) is not signal.SIG_IGN
        }
        try:
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    def _handle(self, signum: int, _: FrameType | None) -> None:
        if self._first is None:
            self._first = signal.Signals(signum)
            self._loop.call_soon_threadsafe(self._on_first, self._first)
        elif not self._is_forced:
            self._is_forced = True
            self._loop.call_soon_threadsafe(self._on_second)
            threading.Thread(target=self._end, args=(self._first,), name="smithersd-forced-end", daemon=True).start()

    def _hang_up(self, _signum: int, _: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._on_hangup)

    def _end(self, first: signal.Signals) -> None:
        threading.Event().wait(FORCED_END_S)
        self._before_exit()
        _exit_at_once(self._exit_code(first))


def _restore_in_child() -> None:
    """Restore the default handlers in a forked child, but for those that author code has installed."""
    for signum, handler in _CHILD_HANDLERS.items():
        if isinstance(getattr(signal.getsignal(signum), "__self__", None), StopSignals):
            signal.signal(signum, handler)


after_fork_in_child(_restore_in_child)
