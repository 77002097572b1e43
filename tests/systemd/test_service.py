"""A run as a service of a real systemd: started, stopped, killed, hung, asked, and never restarted in vain."""

import sys
import threading
import time

import pytest

from tests.support.waiting import until

STEPS = """
from pathlib import Path
from smithersd import Approval, Sequence, Shell, Task, workflow

def note(what):
    with Path("effects").open("a") as file:
        print(what, file=file)

@workflow
def steps(ctx):
    before = Task("before", note, "before")
    return Sequence(before, Approval("approval", title="Go on?"), Shell("after", "echo after >> effects"))
"""


def test_a_stop_suspends_and_a_start_goes_on_with_nothing_done_twice(service):
    run = service(STEPS)
    run.install()
    run.start()
    run.await_status("waiting-approval")
    assert run.show("StatusText") == "waiting-approval, pending approvals: approval"
    run.stop()
    assert (run.show("ActiveState"), run.show("Result")) == ("inactive", "success")

    run.start()
    run.request("/approve/approval", method="POST")
    run.await_status("finished")

    assert run.effects() == ["before", "after"]
    assert run.show("StatusText") == "finished"


@pytest.mark.slow
def test_a_killed_run_is_restarted_and_goes_on(service):
    run = service(STEPS)
    run.install()
    run.start()
    run.await_status("waiting-approval")
    killed = run.main_process
    killed.kill()
    until(lambda: run.show("NRestarts") == "1" and run.show("ActiveState") == "active", "the restart")

    run.request("/approve/approval", method="POST")
    run.await_status("finished")
    assert run.effects() == ["before", "after"]


@pytest.mark.slow
def test_nothing_of_a_killed_run_is_left_beside_its_successor(service):
    run = service("""
from smithersd import Shell, workflow

@workflow
def hiding(ctx):
    return Shell("hide", "[ -e met ] && exit; touch met; setsid nohup sleep 1000 & echo up > up; wait")
""")
    run.install()
    run.start()
    until(lambda: run.effects("up"))
    (hidden,) = until(lambda: [p for p in run.manager.processes() if p.cmdline() == ["sleep", "1000"]])
    run.main_process.kill()
    run.await_status("finished")

    assert not hidden.is_running()


@pytest.mark.slow
def test_a_workflow_that_blocks_the_loop_is_ended_its_line_is_told_and_the_run_goes_on(service):
    run = service("""
import time
from pathlib import Path
from smithersd import Sequence, Task, workflow

def note(what):
    with Path("effects").open("a") as file:
        print(what, file=file)

async def block():
    if not Path("met").exists():
        Path("met").touch()
        time.sleep(1000)  # this is the line
    note("second attempt")

@workflow
def blocking(ctx):
    return Sequence(Task("before", note, "before"), Task("block", block))
""")
    run.install()
    run.configure("WatchdogSec=1", "LimitCORE=0")
    run.start()
    run.await_status("finished")

    assert run.show("NRestarts") == "1"
    assert run.effects() == ["before", "second attempt"]
    line = 1 + (run.folder / "flow.py").read_text().splitlines().index("        time.sleep(1000)  # this is the line")
    assert f'{run.folder}/flow.py", line {line} in block' in run.manager.journal()


@pytest.mark.slow
def test_a_task_that_ends_its_process_with_0_is_restarted_and_the_run_goes_on(service):
    run = service("""
import os
from pathlib import Path
from smithersd import Task, workflow

def ends():
    if not Path("met").exists():
        Path("met").touch()
        os._exit(0)

@workflow
def ending(ctx):
    return Task("ends", ends)
""")
    run.install()
    run.start()
    run.await_status("finished")

    assert run.show("NRestarts") == "1"
    assert "ended this process by os._exit" in run.manager.journal()


@pytest.mark.slow
def test_a_loop_that_is_free_is_not_taken_for_hung(service):
    run = service(STEPS)
    run.install()
    run.configure("WatchdogSec=1")
    run.start()
    run.await_status("waiting-approval")
    time.sleep(2.5)  # the watchdog's own time

    assert run.show("NRestarts") == "0"
    assert run.request("/health") == {"ok": True}


@pytest.mark.slow
def test_a_request_that_came_before_the_service_is_answered_by_it(service):
    run = service(STEPS)
    run.install("--socket")
    run.manager.systemctl("start", run.socket)
    assert run.show("ActiveState") == "inactive"

    assert run.request("/")["runId"] == run.run_id
    run.await_status("waiting-approval")


@pytest.mark.slow
def test_no_request_is_refused_while_the_service_restarts(service):
    run = service(STEPS)
    run.install("--socket")
    run.manager.systemctl("start", run.socket, run.unit)
    run.await_status("waiting-approval")
    answers = []
    is_over = threading.Event()

    def ask():
        while not is_over.is_set():
            answers.append(run.request("/health"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        until(lambda: answers)
        run.manager.systemctl("restart", run.unit)
        count = len(answers)
        until(lambda: len(answers) > count)
    finally:
        is_over.set()
        asking.join()

    run.request("/approve/approval", method="POST")
    run.await_status("finished")
    assert all(answer == {"ok": True} for answer in answers)


FAILING = """
from smithersd import Shell, workflow

@workflow
def failing(ctx):
    return Shell("fail", "echo once >> effects; exit 1")
"""


@pytest.mark.slow
@pytest.mark.parametrize(("workflow", "code"), [(FAILING, "1"), ("import nothing_of_this_name", "4")])
def test_a_run_that_failed_or_cannot_begin_is_not_restarted(service, workflow, code):
    run = service(workflow)
    run.install()
    run.configure(
        f"ExecStart=\nExecStart={sys.executable} -m smithersd up flow.py --run-id {run.run_id} --resume-or-start"
    )
    run.manager.systemctl("start", run.unit, check=False)
    until(lambda: run.show("ActiveState") == "failed", "the failure")
    time.sleep(2.5)  # more than RestartSec=

    assert (run.show("ActiveState"), run.show("ExecMainStatus"), run.show("NRestarts")) == ("failed", code, "0")
    assert len(run.effects()) <= 1


@pytest.mark.slow
def test_down_cancels_the_run_and_leaves_no_failed_unit(service):
    run = service(STEPS)
    run.install()
    run.start()
    run.await_status("waiting-approval")

    run.manager.smithers("down", run.run_id, cwd=run.folder)

    until(lambda: run.show("ActiveState") == "inactive")
    assert run.show("Result") == "success"
    assert run.show("NRestarts") == "0"
    assert '"status": "cancelled"' in run.manager.smithers("inspect", run.run_id, "--json", cwd=run.folder)


@pytest.mark.slow
def test_a_reload_opens_the_log_anew(service):
    run = service(STEPS)
    run.install("--", "--log-file", "run.log")
    run.start()
    run.await_status("waiting-approval")
    (run.folder / "run.log").rename(run.folder / "run.log.1")
    run.manager.systemctl("reload", run.unit)
    run.request("/approve/approval", method="POST")
    run.await_status("finished")

    assert run.effects("run.log.1")
    until(lambda: "after" in "".join(run.effects("run.log")), "a line in the new log")
    assert run.show("ActiveState") == "active"
