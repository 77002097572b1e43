"""A handle means one process, with pidfds and where the kernel refuses them."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smithersd.posix.process.process_handle import ProcessHandle
from tests.support.waiting import until

LIVES_ON = """
import ctypes, platform, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
exit_thread = {"x86_64": 60, "aarch64": 93}[platform.machine()]
ctypes.CDLL(None).syscall(exit_thread, 0)
"""
"""A process whose first thread ends while another goes on."""


def refuse(_pid, _flags=0):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.fixture(params=["pidfd", "refused", "unknown"])
def kernel(request, monkeypatch):
    """What the kernel makes of pidfd_open: it works, a sandbox refuses it, or there is none."""
    match request.param:
        case "refused":
            monkeypatch.setattr(os, "pidfd_open", refuse)
        case "unknown":
            monkeypatch.delattr(os, "pidfd_open")


def opened(pid):
    handle = ProcessHandle.open(pid)
    assert handle is not None
    return handle


@pytest.fixture
def process():
    with subprocess.Popen(["sleep", "1000"]) as started:
        yield started
        started.kill()


def test_a_process_is_signalled_and_its_end_is_seen(kernel, process):
    with opened(process.pid) as handle:
        assert not handle.has_ended
        handle.check_permission()
        handle.signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM
        assert handle.has_ended
        handle.signal(signal.SIGTERM)  # nobody is there any more: nothing happens


def test_a_process_that_is_halted_ends(kernel, process):
    process.send_signal(signal.SIGSTOP)
    with opened(process.pid) as handle:
        handle.signal(signal.SIGTERM)
        assert process.wait() == -signal.SIGTERM


def test_a_zombie_has_ended(kernel, process):
    with opened(process.pid) as handle:
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert handle.has_ended
        assert ProcessHandle.open(process.pid) is None


def test_a_process_whose_first_thread_has_ended_lives_while_another_runs(kernel):
    """So does one that is killed: its threads end one after the other, and the last one lets go of its locks."""
    with subprocess.Popen([sys.executable, "-c", LIVES_ON]) as process:
        until(lambda: "Z" in Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2], "the first thread's end")
        with opened(process.pid) as handle:
            assert not handle.has_ended
            handle.signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
            assert handle.has_ended


def test_there_is_no_handle_on_a_process_that_is_not_there(kernel):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    assert ProcessHandle.open(ended.pid) is None
