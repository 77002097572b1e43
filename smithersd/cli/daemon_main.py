"""What `smithers up -d` starts: the process behind the prompt.

    python -m smithersd.cli.daemon_main OUTPUT ANSWER WORKFLOW.py[:name]

OUTPUT and ANSWER are descriptors (see `daemon/launch/detach.py`); the workflow's name is there for `ps`.
The options come through stdin.
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
    """Become a daemon; only then import the workflow, and run it."""
    output, answering = int(sys.argv[1]), int(sys.argv[2])
    options = ServiceOptions.from_json(sys.stdin.buffer.read())
    daemonize(output=output, kept=answering)
    ignore_stdio_errors()
    answer = StartResult(answering)
    try:
        code, has_left_tasks = _run(options, answer, output)
    except SmithersError as error:
        if options.is_debugging:
            traceback.print_exc()
        answer.send(StartRefused(error.code, error.message, error.remedy))
        code, has_left_tasks = exit_code_of_error(error), False
    except Exception:  # noqa: BLE001 - a fault of ours: what it was stands in the log
        traceback.print_exc()
        code, has_left_tasks = ExitCode.ENGINE_FAILED, False
    leave(code, has_left_tasks=has_left_tasks)


def _run(options: ServiceOptions, answer: StartResult, output: int) -> tuple[ExitCode, bool]:
    log = _DaemonLog(options, answer, output)
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
    """The daemon's log, which becomes its stdout and stderr, and tells whoever started it that the run has begun.

    Until then nothing is written to it: the starter is told what keeps the run from beginning.
    """

    def __init__(self, options: ServiceOptions, answer: StartResult, earlier: int) -> None:
        """`earlier` holds what is printed until the run has begun."""
        super().__init__(self._log_file, options.log_format or LogFormat.HUMAN)
        self._options = options
        self._answer = answer
        self._earlier = earlier
        self._held: list[Line] | None = []
        self._warnings: list[str] = []
        self._is_answered = False

    def settle(self, run_id: str, folder: RunFolder) -> None:
        """Open the log, unless there is no reason to begin any more.

        Raises:
            UserError: it cannot be opened.
            StartFailed: the starter of the daemon has ended.
        """
        if not self._answer.is_awaited:
            raise StartFailed("The process that started this daemon ended before the run had started.")
        super().settle(run_id, folder)

    def warn(self, text: str) -> None:
        """Write a warning, which the starter shows too if it comes before the run begins."""
        if self._held is not None:
            self._warnings.append(text)
        super().warn(text)

    def say(self, lines: Sequence[Line]) -> None:
        """Write lines, or keep them until the run has begun."""
        if self._held is None:
            super().say(lines)
        else:
            self._held += lines

    def wait_for_store(self, problem: str | None) -> None:
        """Say it in the log, and to the starter. If that has left, the daemon ends: nobody would know of it."""
        super().wait_for_store(problem)
        is_told = (
            self._answer.send(Waiting(waiting_for_store(problem))) if problem is not None else self._answer.is_awaited
        )
        if not is_told:
            os.kill(os.getpid(), signal.SIGTERM)

    def stand_by(self, waiting: StandingBy) -> None:
        """Say it in the log, and at first to the starter. If that has left in this moment, the daemon ends."""
        self._take_stdio()
        super().stand_by(waiting)
        self._send_answer(waiting.run_id, waiting.url, is_standby=True)

    def begin(self, begun: StartedRun) -> None:
        """Say it in the log, and to the starter. If that has left in this moment, the run is suspended."""
        self._take_stdio()
        super().begin(begun)
        self._send_answer(begun.engine.run_id, begun.url, is_standby=False)

    def _send_answer(self, run_id: str, url: str | None, *, is_standby: bool) -> None:
        if self._is_answered:
            return
        self._is_answered = True
        pid_file = self._options.pid_file or self._options.storage.folder.run(run_id).pid_file
        started = Started(run_id, url, os.getpid(), str(self.path), str(pid_file), tuple(self._warnings), is_standby)
        if not self._answer.send(started):
            os.kill(os.getpid(), signal.SIGTERM)

    def _take_stdio(self) -> None:
        if self._held is None:
            return
        assert isinstance(self._file, LogFile), "the log is settled before the run begins"
        self._file.take_stdio(self._earlier)
        os.close(self._earlier)
        held, self._held = self._held, None
        super().say(held or [])

    def _log_file(self, folder: RunFolder) -> Path:
        return self._options.log_file or folder.log_file


if __name__ == "__main__":
    main()
