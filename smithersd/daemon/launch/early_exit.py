"""Catch code of a workflow that ends the process: log its place, and exit as after an error of the engine.

`os._exit(0)` in a task would look like success to a service manager, and `os.exec*` would replace the engine by another
program. Here both end the process as an error of the engine does, so that a service manager starts it again and the run
is resumed. An exit from C code cannot be caught.
"""

import os
import sys
from collections.abc import Callable
from contextvars import Context
from typing import Any, NoReturn

from smithersd.daemon.launch import process
from smithersd.daemon.report import Report
from smithersd.exit_codes import ExitCode
from smithersd.loggers import logger

_log = logger(__name__)


class EarlyExit:
    """Replaces the functions of `os` that end a process; in forked children they work as before."""

    def __init__(self) -> None:
        self.report: Report | None = None
        """The report to release before the process ends, once there is one."""
        self._pid = os.getpid()
        for name in ("_exit", "execv", "execve"):  # the other exec functions of `os` come down to these
            setattr(os, name, self._refusing(name, getattr(os, name)))

    def _refusing(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*arguments: Any, **options: Any) -> NoReturn:
            if os.getpid() != self._pid:
                original(*arguments, **options)
            caller = sys._getframe(1)  # noqa: SLF001 - the caller
            place = f"{caller.f_code.co_filename}:{caller.f_lineno} in {caller.f_code.co_name}"
            # In a context of its own: what is logged in a task's context is captured as the task's output.
            Context().run(_log.error, "Code of the workflow ended this process by os.%s at %s.", name, place)
            if self.report is not None:
                self.report.release()
            process.end_now(ExitCode.ENGINE_FAILED)

        return refuse
