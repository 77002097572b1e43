"""The life of the process around a service: its event loop at the start, and an end that nothing holds up."""

import asyncio
import os
import sys
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import NoReturn

from smithersd.daemon.exit_codes import ExitCode

EXIT_GRACE_S = 1.0
"""How long the interpreter may take to shut down: author code may have left threads that it would wait for."""
_IDLE_THREADS_END_S = 0.1


def run_in_loop(service: Coroutine[None, None, ExitCode]) -> tuple[ExitCode, bool]:
    """Run a service in a new event loop; return its exit code and whether tasks are left behind in the loop.

    Not by `asyncio.run`, which would wait at its end for every task and thread that author code has left.
    """
    loop = _new_loop()
    asyncio.set_event_loop(loop)
    code = loop.run_until_complete(service)
    return code, bool(asyncio.all_tasks(loop))


def leave(code: int, *, has_left_tasks: bool) -> NoReturn:
    """End the process with its code, whatever author code is still running."""
    flush()
    if has_left_tasks or _has_left_threads():
        os._exit(code)
    threading.Thread(target=_leave_late, args=(code,), name="smithersd-exit", daemon=True).start()
    sys.exit(code)


def flush() -> None:
    """Write out what was printed."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # its reader has left, it is closed, or there is none
            stream.flush()


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - the extra "speed"
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _has_left_threads() -> bool:
    """Whether a daemon thread still runs, after idle ones had a moment to end.

    The interpreter does not wait for these, but it takes itself down beneath them, and native code in one may crash.
    """
    for thread in threading.enumerate():
        if thread.daemon:
            thread.join(_IDLE_THREADS_END_S)
    return any(thread.daemon for thread in threading.enumerate())


def _leave_late(code: int) -> None:
    threading.Event().wait(EXIT_GRACE_S)
    os._exit(code)
