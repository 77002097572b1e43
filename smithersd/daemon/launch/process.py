"""The process around a service: its event loop, and an end that nothing can delay."""

import asyncio
import atexit
import os
import signal
import sys
import threading
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from typing import Any, NoReturn

from smithersd.daemon.launch.system_refusals import refusal_of
from smithersd.errors import EngineFailed, SmithersError, UserError
from smithersd.exit_codes import ExitCode, exit_code_of_error

EXIT_GRACE_S = 1.0
"""How long the interpreter may take to shut down: author code may have left threads that it would wait for."""
_IDLE_THREADS_END_S = 0.1
_FAILED_END_S = 5.0
"""How long the service may take to end after author code has broken out of the loop."""
_exit_at_once = os._exit
"""The original: author code may replace `os._exit`."""


_kept = ExitStack()
_keepers: set[int] = set()
_exit_codes: list[int] = []
_ending = threading.Lock()


def keep_until_exit(held: ExitStack) -> None:
    """Hold something (a pidfile) until the end of this process, and release it then, however it ends."""
    _keepers.add(os.getpid())
    _kept.enter_context(held)


def end_now(code: int) -> NoReturn:
    """End the process at once: with this code, or with the one it was already ending with."""
    _flush()
    _end(_exit_codes[0] if _exit_codes else code)


def run_process(service: Coroutine[None, None, ExitCode]) -> tuple[ExitCode, bool]:
    """Run a service in a new event loop; return its exit code and whether tasks are left in the loop.

    An error that ends a started run ends the process soon, whatever author code is still running. Author code that
    cancels the service, stops the loop or breaks out of it counts as a failure of the engine.
    `asyncio.run` is not used: at its end it would wait for every task and thread that author code has left.
    """
    loop = _new_loop()
    loop.set_exception_handler(_log_loop_error)
    try:
        code = _completed(loop, service)
    except UserError:  # no run was started, so nothing is left
        loop.close()
        raise
    except SmithersError as error:
        _leave_soon(exit_code_of_error(error))
        raise
    _end_soon_at_further_stops(code)
    return code, bool(asyncio.all_tasks(loop))


def _completed(loop: asyncio.AbstractEventLoop, service: Coroutine[None, None, ExitCode]) -> ExitCode:
    """Run the service to its end.

    Raises:
        UserError: the operating system refused something that the operator can correct.
        EngineFailed: the service ended neither by returning nor by an error of smithersd.
    """
    task = loop.create_task(service)
    try:
        return loop.run_until_complete(task)
    except SmithersError:
        raise
    except OSError as error:
        raise refusal_of(error) or EngineFailed.of(error) from error
    except BaseException as error:
        if _is_interrupt(error):
            raise
        if not task.done():
            _leave_soon(ExitCode.ENGINE_FAILED, within_s=_FAILED_END_S)
            task.cancel()
            with suppress(BaseException):  # the first error is the one to report
                loop.run_until_complete(task)
        raise EngineFailed.of(error) from error


def _is_interrupt(error: BaseException) -> bool:
    """Return whether the error is Ctrl+C from before the service handled signals."""
    return isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler


def leave(code: int, *, has_left_tasks: bool) -> NoReturn:
    """End the process with this code, whatever author code is still running."""
    watchdog = _leave_soon(code)
    _flush()  # this blocks while the terminal is stopped (Ctrl+S)
    if has_left_tasks or _has_left_threads(besides=watchdog):
        _end(code)
    _exit_codes.append(code)
    sys.exit(code)


def _end_soon_at_further_stops(code: int) -> None:
    """Handle further stop signals: exit soon, with the code that is already decided."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, lambda *_: _leave_soon(code))


def _leave_soon(code: int, *, within_s: float = EXIT_GRACE_S) -> threading.Thread:
    """End the process with this code even if something keeps the interpreter from shutting down."""
    watchdog = threading.Thread(target=_leave_late, args=(code, within_s), name="smithersd-exit", daemon=True)
    watchdog.start()
    return watchdog


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):  # its reader is gone, there is none, or it is an author's
            stream.flush()


def _log_loop_error(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a callback raised; logging that author code has broken must not end the loop."""
    with suppress(Exception):
        loop.default_exception_handler(context)


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop  # noqa: PLC0415 - the extra "speed"
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _has_left_threads(*, besides: threading.Thread) -> bool:
    """Return whether a daemon thread still runs, after idle ones had a moment to end.

    The interpreter does not wait for them, but it shuts down while they run, and native code in one may crash.
    """
    daemons = [thread for thread in threading.enumerate() if thread.daemon and thread is not besides]
    for thread in daemons:
        thread.join(_IDLE_THREADS_END_S)
    return any(thread.is_alive() for thread in daemons)


def _leave_late(code: int, within_s: float) -> None:
    threading.Event().wait(within_s)
    _end(code)


def _end(code: int) -> NoReturn:
    _ending.acquire()  # never released: one thread ends the process
    _release_kept()
    _exit_at_once(code)


def _release_kept() -> None:
    if os.getpid() in _keepers:  # and not in a fork of author code
        _kept.close()


def _exit() -> None:
    """End the process; this exit function was registered first, so it runs last."""
    if _exit_codes:
        _flush()
        _end(_exit_codes[0])
    _release_kept()


atexit.register(_exit)
