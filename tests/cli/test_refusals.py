"""What the operating system refuses is said in a line and a remedy, never as a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.waiting import DEADLINE_S

APPROVAL = """
from smithersd import Approval, workflow

@workflow
def asking(ctx):
    return Approval("go")
"""

COMMANDS = (("ps",), ("up", "flow.py"), ("up", "flow.py", "-d"), ("down", "r"), ("logs", "r"), ("approve", "r"))


def smithers(folder: Path, *arguments: str, **env: str) -> tuple[int, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("SMITHERS_")} | env
    command = [sys.executable, "-m", "smithersd", *arguments]
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_working_directory_that_is_gone_is_said(tmp_path, command):
    gone = tmp_path / "gone"
    gone.mkdir()
    leave = f"rmdir {gone}; exec {sys.executable} -m smithersd {' '.join(command)}"
    done = subprocess.run(
        ["sh", "-c", leave], cwd=gone, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 4
    assert done.stderr.startswith("smithers: The working directory no longer exists.")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_folder_that_may_not_be_read_is_said(tmp_path, command):
    (tmp_path / "flow.py").write_text(APPROVAL)
    (tmp_path / ".smithers").mkdir(mode=0o000)
    code, said = smithers(tmp_path, *command)
    assert code == 4
    assert "permission denied" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("name", ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/2", "pipe"])
def test_the_log_of_a_daemon_is_a_file(tmp_path, name):
    (tmp_path / "flow.py").write_text(APPROVAL)
    os.mkfifo(tmp_path / "pipe")
    code, said = smithers(tmp_path, "up", "flow.py", "-d", "--log-file", name)
    assert code == 4
    assert "cannot be the log of a daemon" in said
    assert not (tmp_path / ".smithers").exists()


def test_commands_give_their_own_exit_code_where_sigchld_was_ignored(tmp_path):
    (tmp_path / ".smithers").mkdir()
    (tmp_path / "flow.py").write_text("""
import subprocess
from smithersd import Sequence, Shell, Task, workflow

def code() -> None:
    print("it ended with", subprocess.run(["sh", "-c", "exit 3"]).returncode)

@workflow
def flow(ctx):
    return Sequence(Task("code", code), Shell("same", "exit 0"))
""")
    run = f"trap '' CHLD; exec {sys.executable} -m smithersd up flow.py"
    done = subprocess.run(
        ["bash", "-c", run], cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "it ended with 3" in done.stdout


def test_a_signal_that_was_blocked_at_the_start_is_heeded(tmp_path):
    (tmp_path / "flow.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGTERM)\n" + APPROVAL)
    start = (
        "import os, signal, sys; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM});"
        "os.execv(sys.executable, [sys.executable, '-m', 'smithersd', 'up', 'flow.py', '--no-wait'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", start], cwd=tmp_path, capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert done.returncode == -15


def test_a_user_without_a_home_is_told(tmp_path):
    (tmp_path / "flow.py").write_text(APPROVAL)
    nobody = 54321  # no user has this number
    program = (
        "import os, pwd, sys; from smithersd.daemon.launch.system_refusals import home_folder; os.environ.clear();"
        "os.setuid(int(sys.argv[1])) if os.geteuid() == 0 else sys.exit(77); home_folder()"
    )
    done = subprocess.run([sys.executable, "-c", program, str(nobody)], capture_output=True, text=True, check=False)
    if done.returncode == 77:
        pytest.skip("only root can be another user")
    assert "The home folder of this user is not known." in done.stderr
