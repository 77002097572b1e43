"""Code of a workflow that ends the process: it is said where, and the exit code tells that the run was not over.

`os._exit(0)` in a task would tell a service manager that all is done, and `os.exec*` would put another program in the
engine's place. Here both end the process as an error of the engine does, after which it is started again and the run
goes on. What C code does to the process cannot be seen from here.
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
    """Takes the place of what ends a process, from its making on; in forks it does nothing."""

    def __init__(self) -> None:
        self.report: Report | None = None
        """Who is told of it, once there is one."""
        self._pid = os.getpid()
        for name in ("_exit", "execv", "execve"):  # the other exec functions of `os` come down to these
            setattr(os, name, self._refusing(name, getattr(os, name)))

    def _refusing(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*arguments: Any, **options: Any) -> NoReturn:
            if os.getpid() != self._pid:
                original(*arguments, **options)
            caller = sys._getframe(1)  # noqa: SLF001 - whoever is to blame
            place = f"{caller.f_code.co_filename}:{caller.f_lineno} in {caller.f_code.co_name}"
            # In a context of its own: what is logged in a task's belongs to the task.
            Context().run(_log.error, "Code of the workflow ended this process by os.%s at %s.", name, place)
            if self.report is not None:
                self.report.release()
            process.end_now(ExitCode.ENGINE_FAILED)

        return refuse
