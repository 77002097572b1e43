"""Run a shell command of the operator, and kill its process group after a time limit."""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from tempfile import TemporaryFile
from typing import BinaryIO

from smithersd.limits import DRIVER_TAG_VARIABLE, HOOK_TIMEOUT_S
from smithersd.posix.process.parent_death import with_parent_death_signal

_POLL_S = 0.02
_TAIL_BYTES = 1_000
"""How much of the command's output the message of a failure repeats."""


class CommandFailed(Exception):
    """A command failed; the message says how."""


async def run_command(command: str, given: bytes) -> None:
    """Run a shell command with `given` on its stdin.

    Its output is kept for the message of a failure. Stdin and output are files, not pipes: no task has to serve them.

    Raises:
        CommandFailed: the command ended with another exit code than 0, or was killed after HOOK_TIMEOUT_S seconds.
    """
    with TemporaryFile() as stdin, TemporaryFile() as output:
        stdin.write(given)
        stdin.seek(0)
        argv = with_parent_death_signal(("/bin/sh", "-c", command))
        # The end of the run, which it may report, must not end it: so it has no driver's tag, and it is not started by
        # asyncio, since uvloop forks with Python's fork handlers, which would register it with the guard.
        env = {**os.environ, DRIVER_TAG_VARIABLE: ""}
        process = subprocess.Popen(  # noqa: ASYNC220, S603 - begun at once; from the operator, who may run anything
            argv, stdin=stdin, stdout=output, stderr=output, env=env, start_new_session=True
        )
        code = await _ended(process)
        if code != 0:
            raise CommandFailed(f"the command {_end_in_words(code)}{_tail(output)}")


async def _ended(process: subprocess.Popen[bytes]) -> int | None:
    """Wait for the command's exit code; None if it took too long and was killed."""
    try:
        async with asyncio.timeout(HOOK_TIMEOUT_S):
            return await _exit_code(process)
    except TimeoutError:
        return None
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await _exit_code(process)


async def _exit_code(process: subprocess.Popen[bytes]) -> int:
    while (code := process.poll()) is None:  # noqa: ASYNC110 - a child is asked, whichever loop runs
        await asyncio.sleep(_POLL_S)
    return code


def _end_in_words(code: int | None) -> str:
    if code is None:
        return f"took longer than {HOOK_TIMEOUT_S:g} s and was killed"
    return f"ended with exit code {code}" if code > 0 else f"was ended by {signal.Signals(-code).name}"


def _tail(output: BinaryIO) -> str:
    size = output.seek(0, os.SEEK_END)
    output.seek(max(0, size - _TAIL_BYTES))
    said = output.read().decode(errors="replace").strip()
    return f": {said}" if said else ""
