"""What `smithers up -d` starts: the process behind the prompt.

    python -m smithersd.cli.detached OUTPUT ANSWER WORKFLOW.py[:name]

OUTPUT and ANSWER are descriptors (see `daemon/detach.py`); the workflow's name is there for whoever reads `ps`. The
options come through stdin.
"""

import os
import sys
import traceback
from pathlib import Path

from smithersd.cli.log_report import LogReport
from smithersd.cli.reports import reporting
from smithersd.daemon.detach import Refused, StartAnswer, Started, become_daemon
from smithersd.daemon.exit_codes import ExitCode, exit_code_of_error
from smithersd.daemon.folder import RunFolder, StateFolder
from smithersd.daemon.log_file import forgive_stdio
from smithersd.daemon.options import LogFormat, ServiceOptions
from smithersd.daemon.process import leave, run_in_loop
from smithersd.daemon.report import Begun
from smithersd.daemon.service import run_service
from smithersd.engine import load_workflow
from smithersd.errors import SmithersError


def main() -> None:
    """Become a daemon; only then import the workflow, and run it."""
    output, answering = int(sys.argv[1]), int(sys.argv[2])
    options = ServiceOptions.from_json(sys.stdin.buffer.read())
    become_daemon(output=output, kept=answering)
    forgive_stdio()
    answer = StartAnswer(answering)
    try:
        code, has_left_tasks = _run(options, answer, output)
    except SmithersError as error:
        if options.is_debugging:
            traceback.print_exc()
        answer.send(Refused(error.code, error.message, error.remedy))
        code, has_left_tasks = exit_code_of_error(error), False
    leave(code, has_left_tasks=has_left_tasks)


def _run(options: ServiceOptions, answer: StartAnswer, output: int) -> tuple[ExitCode, bool]:
    log = _StartingLog(options, answer)
    log.become_stdio(earlier=output)
    source = load_workflow(options.workflow)
    with reporting([log]) as report:
        try:
            return run_in_loop(run_service(options, source, report, log))
        except SmithersError as error:
            report.warn(" ".join(filter(None, (error.message, error.remedy))))
            raise


class _StartingLog(LogReport):
    """The daemon's log, which also tells whoever started it that the run has begun."""

    def __init__(self, options: ServiceOptions, answer: StartAnswer) -> None:
        super().__init__(self._log_file, options.log_format or LogFormat.HUMAN)
        self._options = options
        self._answer = answer

    def begin(self, begun: Begun) -> None:
        """Say it in the log, and to the starter."""
        super().begin(begun)
        run_id = begun.engine.run_id
        pid_file = self._options.pid_file or str(StateFolder(Path(self._options.state_folder)).run(run_id).pid_file)
        self._answer.send(Started(run_id, begun.url, os.getpid(), str(self.path), pid_file))

    def _log_file(self, folder: RunFolder) -> Path:
        named = self._options.log_file
        return folder.log_file if named is None else Path(named)


if __name__ == "__main__":
    main()
