"""A run outlives its process: crashes, edited workflows, a new run from a failed one, tasks that kill their process."""

import os
import signal
from contextlib import suppress

import pytest

from tests.support.flows import WAITS
from tests.support.place import Place, Process
from tests.support.ports import free_port
from tests.support.waiting import until

EFFECTS = """
def effect(name):
    with open("effects", "a") as file: file.write(name + "\\n")
    return name
"""


def test_what_finished_before_a_kill_is_not_run_again(place: Place) -> None:
    place.write(
        EFFECTS
        + """
def hangs_once():
    effect("second")
    if task_context().attempt == 1: time.sleep(300)

@workflow
def crashing(ctx):
    return Sequence(Task("first", effect, "first"), Task("second", hangs_once), Task("third", effect, "third"))
"""
    )
    up = place.up("--run-id", "r")
    until(lambda: place.lines("effects")[1:])
    up.kill()
    assert place.run("up", "flow.py", "--run-id", "r", "--resume")[0] == 0
    assert place.lines("effects") == ["first", "second", "second", "third"]
    assert place.types("r").count("NodeInterrupted") == 1


def test_decisions_made_while_nobody_drives_the_run_are_applied_by_the_resumption(place: Place) -> None:
    place.write("""
        @workflow
        def waiting(ctx):
            return Sequence(Approval("approval", title="Go?"), Task("last", int))
        """)
    up = place.up("--run-id", "r")
    up.until_text("smithers approve")
    up.kill()
    assert place.run("approve", "r", "--by", "alice")[0] == 0
    assert place.run("up", "flow.py", "--resume")[0] == 0
    approval = place.state("r").nodes["approval", 0].approval
    assert approval is not None
    assert approval.decision is not None
    assert approval.decision.decided_by == "alice"


def test_a_new_run_from_a_failed_one_does_only_what_was_not_done(place: Place) -> None:
    tasks = EFFECTS + 'def last(): effect("last"); {}\n'
    flow = """
@workflow
def long(ctx: Context[str]):
    return Sequence(*(Task(f"hour-{n}", effect, f"hour-{n}") for n in range(9)), Task("last", last))
"""
    place.write(tasks.format("raise ValueError('a bug in the tenth hour')") + flow)
    code, text = place.run("up", "flow.py", "--input", '"kept"', "--run-id", "r-first")
    assert code == 1
    assert "smithers up flow.py --from r-first" in text
    place.write(tasks.format("return 'mended'") + flow)
    assert place.run("up", "flow.py", "--from", "r-fi", "--run-id", "second")[0] == 0
    assert place.lines("effects") == [f"hour-{n}" for n in range(9)] + ["last", "last"]
    state = place.state("second")
    assert state.from_run_id == "r-first"
    assert state.nodes["hour-8", 0].reused_from == "r-first"


def test_an_edited_workflow_goes_on_with_what_was_done(place: Place) -> None:
    before = (
        EFFECTS
        + """
@workflow
def edited(ctx):
    return Sequence(Task("first", effect, "first"), Approval("approval", title="Go?"))
"""
    )
    place.write(before)
    assert place.run("up", "flow.py", "--run-id", "r", "--no-wait")[0] == 3
    place.write(before.replace('title="Go?")', 'title="Go?"), Task("added", effect, "added")'))
    up = place.up("--run-id", "r", "--resume")
    up.until_text("smithers approve")
    place.run("approve", "r")
    assert up.wait() == 0
    assert "run resumed; the workflow has changed\n" in up.text
    assert place.lines("effects") == ["first", "added"]
    assert [one.event.workflow_changed for one in place.log("r") if hasattr(one.event, "workflow_changed")] == [True]


def test_another_workflow_under_the_same_run_id_is_refused(place: Place) -> None:
    place.write("""
        @workflow
        def one(ctx): return Approval("approval", title="Go?")

        @workflow
        def other(ctx): return Approval("approval", title="Go?")
        """)
    assert place.run("up", "flow.py:one", "--run-id", "r", "--no-wait")[0] == 3
    code, text = place.run("up", "flow.py:other", "--run-id", "r", "--resume")
    assert code == 4
    assert "'one'" in text


@pytest.mark.slow
def test_a_task_that_kills_its_process_does_so_four_times_and_no_more(place: Place) -> None:
    place.write(
        EFFECTS
        + """
def suicide():
    effect("once more")
    os.kill(os.getpid(), signal.SIGKILL)

@workflow
def deadly(ctx):
    return Task("suicide", suicide)
"""
    )
    codes = [place.run("up", "flow.py", "--run-id", "r", "--resume-or-start")[0] for _ in range(5)]
    assert codes == [-signal.SIGKILL] * 4 + [1]
    assert len(place.lines("effects")) == 4
    error = place.state("r").error
    assert error is not None
    assert error.code == "INTERRUPTED_TOO_OFTEN"


def test_workers_of_a_killed_process_hold_neither_its_port_nor_its_lease(place: Place) -> None:
    place.write("""
        from concurrent.futures import ProcessPoolExecutor

        def work():
            Path(f"worker-{os.getpid()}").touch()
            if not Path("done").exists(): time.sleep(300)

        async def pooled():
            with ProcessPoolExecutor(1) as pool:
                await asyncio.get_running_loop().run_in_executor(pool, work)

        @workflow
        def parallel(ctx):
            return Task("pooled", pooled)
        """)
    port = str(free_port())
    up = place.up("--run-id", "r", "--serve", "--port", port)
    worker = int(until(lambda: list(place.folder.glob("worker-*")))[0].name.partition("-")[2])
    try:
        up.kill()
        os.kill(worker, 0)  # it lives on
        (place.folder / "done").touch()
        again = place.up("--run-id", "r", "--resume", "--serve", "--port", port)
        again.until_text("Run finished")
        assert again.request("/")[1]["status"] == "finished"
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGKILL)


def test_two_runs_side_by_side_in_one_folder_do_not_touch_each_other(place: Place) -> None:
    place.write("""
        @workflow
        def steps(ctx):
            return Sequence(*(Task(f"step-{n}", int) for n in range(40)), Approval("approval", title="Go?"))
        """)
    runs = {name: place.up("--run-id", name, "--serve", "--port", "0") for name in ("one", "two")}
    for name, up in runs.items():
        up.until_text(f"smithers approve {name}")
        assert up.request("/")[1]["runId"] == name
        assert place.run("approve", name)[0] == 0
        up.until_text("Run finished")
        assert len(place.log(name)) == len(place.log("one"))


def test_a_taken_port_begins_no_run(place: Place) -> None:
    place.write(WAITS)
    first = place.up("--run-id", "one", "--serve", "--port", "0")
    port = _port_of(first)
    code, text = place.run("up", "flow.py", "--run-id", "two", "--serve", "--port", port)
    assert code == 4
    assert port in text
    assert place.log("two") == []


def _port_of(process: Process) -> str:
    return process.url.rpartition(":")[2]
