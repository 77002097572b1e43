"""What a killed engine's shell attempts leave behind: real processes that hide as well as they can."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from smithersd.posix.process.parent_death import with_parent_death_signal
from tests.support.waiting import DEADLINE_S, until

WORKFLOW = """
from smithersd import Shell, workflow

@workflow
def flow(ctx):
    return Shell("build", ("sh", "command.sh"))
"""


def write_workflow(folder, command):
    """One shell node, whose command is a file beside the workflow: each attempt reads it anew."""
    (folder / ".smithers").mkdir()  # so that none is looked for further up
    (folder / "command.sh").write_text(command)
    (folder / "flow.py").write_text(WORKFLOW)


def smithers(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", "smithersd", *arguments],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def up(folder, *arguments):
    return smithers(folder, "up", "flow.py", "--run-id", "r", *arguments)


def ended(process):
    output, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, output
    return output


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pids_in(folder):
    return [int(line) for path in folder.glob("*.pid") for line in path.read_text().split()]


@contextmanager
def killed_amid(folder, *, processes):
    """An engine that was killed, and its guard too, once its command has written down so many processes."""
    engine = up(folder)
    try:
        until(lambda: len(pids_in(folder)) == processes)
        (guard,) = (child for child in psutil.Process(engine.pid).children() if "-I" in child.cmdline())
        guard.kill()
        engine.kill()
        engine.wait()
        yield pids_in(folder)
    finally:
        engine.kill()
        engine.communicate()
        for pid in pids_in(folder):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def test_a_command_dies_with_an_engine_that_is_killed(tmp_path):
    write_workflow(tmp_path, "echo $$ > me.pid; while :; do sleep 0.05; done")

    with killed_amid(tmp_path, processes=1) as (pid,):
        until(lambda: not is_alive(pid))


MEETING = """
if [ -e first ]; then
  for pid in $(cat *.pid); do
    case $(cut -d ' ' -f 3 /proc/$pid/stat 2>/dev/null) in ''|Z|X) ;; *) echo $pid >> met ;; esac
  done
  exit 0
fi
touch first
loop='echo $$ > $0.pid; while :; do sleep 0.05; done'
"""
"""A second attempt writes down what it meets of the first; the first goes on with one of these."""
HIDING = (
    MEETING
    + """
setsid sh -c "$loop" session &
nohup sh -c "$loop" nohup > /dev/null 2>&1 &
( (sh -c "$loop" twice &) & )
( trap '' TERM; exec setsid sh -c "$loop" stubborn ) &
setsid sh -c 'echo $$ > halted.pid; kill -STOP $$; exit' &
wait
"""
)
LEAVING = (
    MEETING
    + """
setsid sh -c "$loop" session &
wait
"""
)


def test_what_a_killed_engines_command_started_is_gone_before_the_next_attempt(tmp_path):
    write_workflow(tmp_path, HIDING)

    with killed_amid(tmp_path, processes=5) as pids:
        assert all(is_alive(pid) for pid in pids), "nothing was left behind, so that there is nothing to prove"
        ended(up(tmp_path, "--resume"))

        assert not (tmp_path / "met").exists(), "the new attempt met " + (tmp_path / "met").read_text()
        assert not any(is_alive(pid) for pid in pids)


def test_a_run_of_the_same_name_in_another_folder_keeps_its_processes(tmp_path):
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
        write_workflow(folder, LEAVING)

    with killed_amid(theirs, processes=1) as their_pids, killed_amid(ours, processes=1):
        ended(up(ours, "--resume"))

        assert all(is_alive(pid) for pid in their_pids)


def test_cancelling_a_run_whose_engine_was_killed_ends_what_it_left_behind(tmp_path):
    write_workflow(tmp_path, LEAVING)

    with killed_amid(tmp_path, processes=1) as pids:
        ended(smithers(tmp_path, "cancel", "r"))

        assert not any(is_alive(pid) for pid in pids)


def test_a_command_carries_the_mark_of_its_attempt(tmp_path):
    write_workflow(tmp_path, "env")

    assert "SMITHERS_ATTEMPT=r/build/0/1/" in ended(up(tmp_path))


def test_a_program_begins_by_asking_for_the_signal():
    setpriv, *_, program = with_parent_death_signal(("true",))

    assert (Path(setpriv).name, program) == ("setpriv", "true")
