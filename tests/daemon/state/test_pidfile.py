"""A pidfile names the process that holds it, and nobody else, whatever happens to that process."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from smithersd.errors import DaemonRuns, UserError
from smithersd.posix.process.pidfile import PidFile, held_pid, remove_stale

HOLDS = """
import sys, time
from pathlib import Path
from smithersd.posix.process.pidfile import PidFile
from smithersd.errors import DaemonRuns
pid_file = PidFile(Path(sys.argv[1]))
try:
    pid_file.acquire()
except DaemonRuns as error:
    print(error.message, flush=True)
    sys.exit(4)
print("held", flush=True)
{then}
"""

LOOKS = """
import sys
from contextlib import suppress
from pathlib import Path
from smithersd.posix.process.pidfile import held_pid, remove_stale
from smithersd.errors import DaemonRuns
while True:
    held_pid(Path(sys.argv[1]))
    with suppress(DaemonRuns):
        remove_stale(Path(sys.argv[1]))
"""


def start(path: Path, then: str = "time.sleep(60)") -> "subprocess.Popen[str]":
    program = HOLDS.format(then=then)
    return subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True)


def holds(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def kill(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_it_holds_exactly_the_pid_and_is_gone_after_the_release(tmp_path):
    path = tmp_path / "pid"
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"
        assert path.stat().st_mode & 0o777 == 0o600
    assert not path.exists()


def test_a_second_process_is_refused_and_told_the_first(tmp_path):
    path = tmp_path / "pid"
    with PidFile(path), pytest.raises(DaemonRuns, match=f"Process {os.getpid()} holds"):
        PidFile(path).acquire()
    with PidFile(path):
        pass


def test_twenty_starts_at_once_leave_one_holder(tmp_path):
    path = tmp_path / "pid"
    processes = [start(path) for _ in range(20)]
    try:
        with ThreadPoolExecutor(20) as pool:
            said = list(pool.map(holds, processes))
        winner = processes[said.index("held")]
        assert said.count("held") == 1
        assert all(f"Process {winner.pid} holds" in line for line in said if line != "held")
        assert held_pid(path) == winner.pid
    finally:
        for process in processes:
            kill(process)


@pytest.mark.parametrize("content", ["", "1\n", f"{2**31 - 1}\n", "99999999999999999999999999", "\0\0\0"])
def test_a_file_that_nobody_holds_is_stale_whatever_it_says(tmp_path, content):
    path = tmp_path / "pid"
    path.write_text(content)
    assert held_pid(path) is None
    with PidFile(path):
        assert path.read_text() == f"{os.getpid()}\n"


def test_a_killed_holder_is_recognised_and_replaced(tmp_path):
    path = tmp_path / "pid"
    process = start(path)
    assert holds(process) == "held"
    kill(process)
    assert held_pid(path) is None
    assert path.exists()
    assert remove_stale(path)
    assert not path.exists()
    assert not remove_stale(path)


def test_a_held_file_is_not_cleared_away(tmp_path):
    path = tmp_path / "pid"
    with PidFile(path):
        with pytest.raises(DaemonRuns, match=f"Process {os.getpid()} holds"):
            remove_stale(path)
        assert path.exists()


@pytest.mark.parametrize("content", ["print('the only copy of somebody's work')\n", "v1.2.3\n", "12 13\n"])
def test_a_file_that_is_not_a_pidfile_is_never_replaced_or_removed(tmp_path, content):
    path = tmp_path / "VERSION"
    path.write_text(content)
    with pytest.raises(UserError, match="is not a pidfile"):
        PidFile(path).acquire()
    with pytest.raises(UserError, match="is not a pidfile"):
        remove_stale(path)
    assert path.read_text() == content


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir], ids=["pipe", "folder"])
def test_what_is_not_a_regular_file_is_not_opened_as_a_pidfile(tmp_path, make):
    path = tmp_path / "pid"
    make(path)
    with pytest.raises(UserError, match="is not a pidfile"):
        PidFile(path).acquire()
    with pytest.raises(UserError, match="is not a pidfile"):
        remove_stale(path)
    assert held_pid(path) is None
    assert path.exists()


def test_a_forked_child_does_not_keep_the_lock(tmp_path):
    path = tmp_path / "pid"
    process = start(path, "import os\npid = os.fork()\nprint(pid, flush=True) if pid else None\ntime.sleep(60)")
    assert holds(process) == "held"
    child = int(holds(process))
    try:
        kill(process)
        os.kill(child, 0)
        with PidFile(path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_lookers_never_make_a_start_fail(tmp_path):
    path = tmp_path / "pid"
    ends_s = time.monotonic() + 1
    path.write_text("1\n")
    lookers = [subprocess.Popen([sys.executable, "-c", LOOKS, str(path)]) for _ in range(2)]
    try:
        while time.monotonic() < ends_s:
            with PidFile(path):
                assert path.read_text() == f"{os.getpid()}\n"
    finally:
        for looker in lookers:
            looker.kill()
            looker.wait()


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(UserError, match="cannot be written and locked: No such file"):
        PidFile(tmp_path / "missing" / "pid").acquire()
