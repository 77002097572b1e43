"""The token: never on a command line, in an environment, in the journal, in a file of ours, or in task code."""

import pytest

from tests.support.waiting import until

TOKEN = "sesame-5d1f0c"

SPYING = """
import os
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from smithersd import Approval, Sequence, Shell, Task, workflow

def look():
    return Path("/proc/self/environ").read_bytes() + Path("/proc/self/cmdline").read_bytes() + repr(os.environ).encode()

FOUND = [look()]  # while the workflow is imported

def in_thread():
    FOUND.append(look())
    FOUND.append(subprocess.check_output([sys.executable, "-c", "import os; print(os.environ)"]))

def in_pools():
    for method in ("fork", "spawn"):
        with ProcessPoolExecutor(1, get_context(method)) as pool:
            FOUND.append(pool.submit(look).result())

async def in_loop():
    FOUND.append(look())

def write_down():
    Path("found").write_bytes(b"\\n".join(FOUND))

@workflow
def spying(ctx):
    return Sequence(
        Task("thread", in_thread),
        Task("pools", in_pools),
        Task("loop", in_loop),
        Shell("shell", "(echo; env) > env.found; cat /proc/self/environ /proc/$PPID/environ > shell.found"),
        Task("write", write_down),
        Approval("approval", title="Enough?"),
    )
"""
FOR_US_ALONE = ("NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_", "CREDENTIALS_DIRECTORY")


def spied_by(run):
    run.token = TOKEN
    run.start()
    run.await_status("waiting-approval")
    return (run.folder / "found").read_bytes() + (run.folder / "shell.found").read_bytes()


def processes_of(run):
    main = run.main_process
    return [main, *main.children(recursive=True)]


@pytest.mark.slow
def test_the_token_of_a_credential_shows_nowhere(service):
    run = service(SPYING)
    token_file = run.folder / "token"
    token_file.write_text(f"{TOKEN}\n")
    run.install("--socket", "--token-file", str(token_file), "--", "--log-file", "run.log")
    run.manager.systemctl("start", run.socket)
    found = spied_by(run)
    token_file.unlink()

    assert b"PATH=" in found, "nobody has looked"
    assert TOKEN.encode() not in found
    for process in processes_of(run):
        assert TOKEN not in repr((process.cmdline(), process.environ()))
    assert TOKEN not in run.manager.journal()
    files = [path for path in run.folder.rglob("*") if path.is_file()]
    assert {"log", "flow.py", "meta.json", "smithers.db"} & {path.name for path in files}
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    assert [path for path in run.unit_files() if TOKEN in path.read_text()] == []


@pytest.mark.slow
def test_what_systemd_hands_over_does_not_reach_task_code(service):
    run = service(SPYING)
    token_file = run.folder / "token"
    token_file.write_text(TOKEN)
    run.install("--socket", "--token-file", str(token_file))
    run.manager.systemctl("start", run.socket)
    spied_by(run)

    inherited = (run.folder / "env.found").read_text()
    assert "\nPATH=" in inherited, "nobody has looked"
    assert not [name for name in FOR_US_ALONE if f"\n{name}" in inherited]


@pytest.mark.slow
def test_a_token_in_the_environment_is_taken_out_of_it(service):
    run = service(SPYING)
    run.install()
    run.configure(f"Environment=SMITHERS_API_KEY={TOKEN}")

    assert TOKEN.encode() not in spied_by(run)
    for process in processes_of(run):
        assert TOKEN not in repr((process.cmdline(), process.environ()))


@pytest.mark.slow
def test_a_credential_file_that_is_missing_is_said_and_nothing_begins(service):
    run = service(SPYING)
    run.install("--token-file", str(run.folder / "missing"))
    run.manager.systemctl("start", run.unit, check=False)
    until(lambda: run.show("Result") == "exit-code")

    assert run.show("ExecMainStatus") == "243"
    assert list((run.folder / ".smithers").iterdir()) == []
