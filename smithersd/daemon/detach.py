"""Going into the background: the prompt comes back when the run has begun and the server answers.

    smithers up -d                          the daemon
      checks flags
      starts a fresh interpreter ---------> reads its options from stdin
      waits for one line                    opens a DaemonContext, only then imports the workflow
      prints where the run is  <----------- "started", or the first error

A fresh interpreter, so that nothing is forked that has threads or loops. The options travel through a pipe, so that
neither argv nor the environment (which `daemon/environment.py` has cleared) shows the token or the store's password.
What the daemon prints before its log is open goes to a file without a name that the parent holds: it shows it when the
start fails, whatever way.
"""

import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from daemon import DaemonContext
from pydantic import TypeAdapter

from smithersd.daemon.options import ServiceOptions
from smithersd.engine.leftovers import MARK
from smithersd.errors import StartFailed, rebuilt

_ENTRY = "smithersd.cli.detached"


@dataclass(frozen=True, slots=True)
class Started:
    """A daemon whose run has begun and whose server, if it has one, answers."""

    run_id: str
    url: str | None
    pid: int
    log_file: str
    pid_file: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a daemon did not start: one of our errors."""

    code: str
    message: str
    remedy: str | None


_ANSWER: TypeAdapter[Started | Refused] = TypeAdapter(Started | Refused)


class StartAnswer:
    """The daemon's end of the pipe that its starter waits at; one answer goes through it."""

    def __init__(self, descriptor: int) -> None:
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the standard library's own signature
        self._pipe: BinaryIO | None = os.fdopen(descriptor, "wb")

    def send(self, answer: Started | Refused) -> None:
        """Tell the starter; one that has left does not matter. Only the first answer counts."""
        if self._pipe is None:
            return
        pipe, self._pipe = self._pipe, None
        with suppress(OSError), pipe:
            pipe.write(_ANSWER.dump_json(answer) + b"\n")


def start_daemon(options: ServiceOptions) -> Started:
    """Start a daemon that runs a workflow as the options say, and wait until its run has begun.

    Raises:
        SmithersError: it did not start, with the daemon's own error; no process is left.
        StartFailed: it ended without saying why.
    """
    with tempfile.TemporaryFile() as output:
        answer = _answer_of(options, output.fileno())
        if isinstance(answer, Started):
            return answer
        _show(output)
    if answer is None:
        raise StartFailed(
            "The daemon ended before the run had begun.", remedy="What it said stands above, if anything."
        )
    raise rebuilt(answer.code, answer.message, answer.remedy)


def become_daemon(*, output: int, kept: int) -> None:
    """Leave the session and the terminal of whoever started us; stdout and stderr go to `output`.

    The umask, the working directory and the limits stay. All descriptors but these two are closed.
    """
    with os.fdopen(output, "ab", closefd=False) as stdio:
        DaemonContext(
            detach_process=True,
            working_directory=str(Path.cwd()),
            umask=_umask(),
            prevent_core=False,
            files_preserve=[output, kept],
            stdout=stdio,
            stderr=stdio,
            signal_map={},
        ).open()
    os.set_inheritable(output, False)  # noqa: FBT003 - the standard library's own signature


def _answer_of(options: ServiceOptions, output: int) -> Started | Refused | None:
    """Start the daemon and wait for its one line; None when it ended without a word."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as answers:
        _spawn(options, output, writing)
        line = answers.readline()
    return _ANSWER.validate_json(line) if line else None


def _spawn(options: ServiceOptions, output: int, answer: int) -> None:
    """Start the interpreter and hand it its options; the first process ends when the daemon has been forked."""
    arguments = [sys.executable, "-m", _ENTRY, str(output), str(answer), options.workflow]
    try:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            arguments,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(output, answer),
            # A daemon that a command starts is none of that command's leftovers.
            env={name: value for name, value in os.environ.items() if name != MARK},
        )
    finally:
        os.close(answer)
    process.communicate(options.to_json())


def _show(output: BinaryIO) -> None:
    """Pass on what the daemon printed, as far as its error does not say it."""
    output.seek(0)
    sys.stderr.buffer.write(output.read())
    sys.stderr.flush()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
