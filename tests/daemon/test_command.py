"""An operator's command: what it is given, what is told of its failure, and how it is made to end."""

import asyncio

import psutil
import pytest

from smithersd.daemon.notify import command
from smithersd.daemon.notify.command import CommandFailed, run_command
from tests.support.waiting import until_async


async def test_it_reads_the_whole_of_what_it_is_given(tmp_path):
    given = b"x" * 5_000_000

    await run_command(f"cat > {tmp_path / 'read'}", given)

    assert (tmp_path / "read").read_bytes() == given


async def test_one_that_does_not_read_is_no_failure():
    await run_command("true", b"x" * 1_000_000)


async def test_a_failure_tells_the_code_and_the_end_of_what_was_printed():
    with pytest.raises(CommandFailed) as failure:
        await run_command("seq 10000; echo oops >&2; exit 3", b"")

    text = str(failure.value)
    assert text.startswith("the command ended with exit code 3: ")
    assert text.endswith("9999\n10000\noops")
    assert len(text) < 1_100


async def test_one_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "HOOK_TIMEOUT_S", 0.3)

    with pytest.raises(CommandFailed, match=r"took longer than 0\.3 s and was killed"):
        await run_command(f"trap '' TERM; sleep 1000 & echo $! > {tmp_path / 'pid'}; wait", b"")

    await gone(int((tmp_path / "pid").read_text()))


async def test_one_that_is_interrupted_is_killed_with_all_that_it_started(tmp_path):
    running = asyncio.create_task(run_command(f"sleep 1000 & echo $! > {tmp_path / 'pid'}; wait", b""))
    await until_async(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    await gone(int((tmp_path / "pid").read_text()))


async def gone(pid):
    await until_async(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
