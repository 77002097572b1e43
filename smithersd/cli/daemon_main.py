"""The main of the process that `smithers up -d` starts in the background.

    python -m smithersd.cli.daemon_main OUTPUT RESULT WORKFLOW.py[:name]

OUTPUT and RESULT are descriptors (see `daemon/launch/detach.py`). The workflow's name is only for readers of `ps`. The
options are read from stdin.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from smithersd.cli.reports.log_report import Line, LogReport
from smithersd.cli.reports.reports import reporting
from smithersd.cli.text.run_summary import waiting_for_store
from smithersd.daemon.launch.early_exit import EarlyExit
from smithersd.daemon.launch.handshake import Started, StartRefused, StartResult, Waiting
from smithersd.daemon.launch.process import leave, run_process
from smithersd.daemon.options import LogFormat, ServiceOptions
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.daemon.service import Service
from smithersd.daemon.state.folder import RunFolder
from smithersd.daemon.state.log_file import LogFile, ignore_stdio_errors
from smithersd.engine import load_workflow
from smithersd.errors import SmithersError, StartFailed
from smithersd.exit_codes import ExitCode, exit_code_of_error
from smithersd.posix.process.daemonize import daemonize


def main() -> None:
    """Become a daemon, then import the workflow and run it."""
    output, result_descriptor = int(sys.argv[1]), int(sys.argv[2])
    options = ServiceOptions.from_json(sys.stdin.buffer.read())
    daemonize(output=output, kept=result_descriptor)
    ignore_stdio_errors()
    result = StartResult(result_descriptor)
    try:
        code, has_left_tasks = _run(options, result, output)
    except SmithersError as error:
        if options.is_debugging:
            traceback.print_exc()
        result.send(StartRefused(error.code, error.message, error.remedy))
        code, has_left_tasks = exit_code_of_error(error), False
    except Exception:  # noqa: BLE001 - an internal error, which the log shows
        traceback.print_exc()
        code, has_left_tasks = ExitCode.ENGINE_FAILED, False
    leave(code, has_left_tasks=has_left_tasks)


def _run(options: ServiceOptions, result: StartResult, output: int) -> tuple[ExitCode, bool]:
    log = _DaemonLog(options, result, output)
    early_exit = EarlyExit()
    source = load_workflow(options.workflow)
    with reporting([log]) as report:
        early_exit.report = report
        try:
            return run_process(Service(options, source, report, log).run())
        except SmithersError as error:
            report.warn(" ".join(filter(None, (error.message, error.remedy))))
            raise


class _DaemonLog(LogReport):
    """The daemon's log, which becomes its stdout and stderr once the run has started.

    Until then lines are kept in memory, and problems are sent to the starter, the process that started the daemon.
    """

    def __init__(self, options: ServiceOptions, result: StartResult, early_output: int) -> None:
        """`early_output` is the descriptor of the file with what was printed before the run started."""
        super().__init__(self._log_file, options.log_format or LogFormat.HUMAN)
        self._options = options
        self._result = result
        self._early_output = early_output
        self._kept_lines: list[Line] | None = []
        self._warnings: list[str] = []
        self._is_result_sent = False

    def settle(self, run_id: str, folder: RunFolder) -> None:
        """Open the log, if the starter still waits for the run to start.

        Raises:
            UserError: the log cannot be opened.
            StartFailed: the starter has ended.
        """
        if not self._result.is_awaited:
            raise StartFailed("The process that started this daemon ended before the run had started.")
        super().settle(run_id, folder)

    def warn(self, text: str) -> None:
        """Write a warning; the starter shows it, too, if the run has not started yet."""
        if self._kept_lines is not None:
            self._warnings.append(text)
        super().warn(text)

    def say(self, lines: Sequence[Line]) -> None:
        """Write lines, or keep them until the run has started."""
        if self._kept_lines is None:
            super().say(lines)
        else:
            self._kept_lines += lines

    def wait_for_store(self, problem: str | None) -> None:
        """Write the problem to the log and send it to the starter; stop if the starter has ended."""
        super().wait_for_store(problem)
        is_sent = (
            self._result.send(Waiting(waiting_for_store(problem))) if problem is not None else self._result.is_awaited
        )
        if not is_sent:
            os.kill(os.getpid(), signal.SIGTERM)

    def stand_by(self, waiting: StandingBy) -> None:
        """Write to the log that this process stands by; the first time tell the starter, and stop if it has ended."""
        self._take_stdio()
        super().stand_by(waiting)
        self._send_result(waiting.run_id, waiting.url, is_standby=True)

    def begin(self, started_run: StartedRun) -> None:
        """Write the opening lines to the log, and tell the starter; suspend the run if it has ended."""
        self._take_stdio()
        super().begin(started_run)
        self._send_result(started_run.engine.run_id, started_run.url, is_standby=False)

    def _send_result(self, run_id: str, url: str | None, *, is_standby: bool) -> None:
        if self._is_result_sent:
            return
        self._is_result_sent = True
        pid_file = self._options.pid_file or self._options.storage.folder.run(run_id).pid_file
        started = Started(run_id, url, os.getpid(), str(self.path), str(pid_file), tuple(self._warnings), is_standby)
        if not self._result.send(started):
            os.kill(os.getpid(), signal.SIGTERM)

    def _take_stdio(self) -> None:
        if self._kept_lines is None:
            return
        assert isinstance(self._file, LogFile), "the log is opened before the run starts"
        self._file.take_stdio(self._early_output)
        os.close(self._early_output)
        kept, self._kept_lines = self._kept_lines, None
        super().say(kept or [])

    def _log_file(self, folder: RunFolder) -> Path:
        return self._options.log_file or folder.log_file


if __name__ == "__main__":
    main()
