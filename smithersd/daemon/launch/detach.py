"""Start a daemon, and return when its run has started and its server answers.

    smithers up -d                          the daemon (`cli/daemon_main.py`)
      checks flags
      starts a fresh interpreter ---------> reads its options from stdin
      waits for one line                    opens a DaemonContext, only then imports the workflow
      prints where the run is  <----------- "started", or the first error

A fresh interpreter is started, so that no process with threads or loops is forked. The options go through a pipe, so
that neither argv nor the environment (which `daemon/launch/environment.py` has cleared) shows the token or the store's
password.

What the daemon prints before its run has started goes to a nameless file of the starter, which shows it if the start
fails. If the starter ends before the answer (Ctrl+C), the daemon ends too: nobody would know of it.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from smithersd.daemon.launch.handshake import Started, StartRefused, Waiting, read_answer
from smithersd.daemon.options import ServiceOptions
from smithersd.errors import StartFailed, rebuilt
from smithersd.limits import ATTEMPT_TAG_VARIABLE, DRIVER_TAG_VARIABLE
from smithersd.posix.credentials import CREDENTIALS_VARIABLE, credentials_folder

_STDERR = 2
_TAGS = (ATTEMPT_TAG_VARIABLE, DRIVER_TAG_VARIABLE)
_ENTRY = "smithersd.cli.daemon_main"


def start_daemon(options: ServiceOptions) -> Started:
    """Start a daemon that runs a workflow as the options say, and wait until its run has started.

    Raises:
        SmithersError: the daemon did not start; this is its own error, and no process is left.
        StartFailed: the daemon ended without an answer.
    """
    _fill_stdio()
    with _nameless_file() as output:
        reading, writing = os.pipe()
        with os.fdopen(reading, "rb") as answers:
            _spawn(options, output.fileno(), writing)
            answer = _awaited(answers)
            if isinstance(answer, Started):
                return answer
            answers.read()  # until the daemon has ended
        _show(output)
    if answer is None:
        raise StartFailed(
            "The daemon ended before the run had begun.", remedy="Its output, if there was any, is shown above."
        )
    raise rebuilt(answer.code, answer.message, answer.remedy)


def _awaited(answers: BinaryIO) -> Started | StartRefused | None:
    """Wait for the answer, and print what the daemon waits for."""
    while line := answers.readline():
        answer = read_answer(line)
        if not isinstance(answer, Waiting):
            return answer
        sys.stderr.write(f"{answer.reason}\n")
        sys.stderr.flush()
    return None


def _spawn(options: ServiceOptions, output: int, answer: int) -> None:
    """Start the interpreter and hand it its options; the first process ends when the daemon has been forked."""
    try:
        process = subprocess.Popen(  # noqa: S603 - ourselves
            [sys.executable, *_path_flags(), "-m", _ENTRY, str(output), str(answer), options.workflow],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(output, answer),
            env=_environment(),
        )
    finally:
        os.close(answer)
    process.communicate(options.to_json())


def _environment() -> dict[str, str]:
    """Return the daemon's environment.

    It has the folder of systemd's credentials, and not the tags by which the processes of a task's command are known: a
    daemon that such a command starts must not end with them.
    """
    folder = credentials_folder()
    credentials = {} if folder is None else {CREDENTIALS_VARIABLE: str(folder)}
    return {name: value for name, value in os.environ.items() if name not in _TAGS} | credentials


def _path_flags() -> list[str]:
    """Return `-P`, unless this process runs without it: no file of the working directory may shadow a library."""
    return [] if sys.path[:1] in ([""], [str(Path.cwd())]) else ["-P"]


def _fill_stdio() -> None:
    """Open /dev/null for a closed stdin, stdout or stderr: otherwise a pipe would get its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _STDERR:
        pass
    os.close(descriptor)


def _nameless_file() -> BinaryIO:
    """Return a file without a name, in memory where the system supports that."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("smithersd-start"), "w+b")
    return tempfile.TemporaryFile()


def _show(output: BinaryIO) -> None:
    """Write what the daemon printed to stderr."""
    output.seek(0)
    sys.stderr.buffer.write(output.read())
    sys.stderr.flush()
