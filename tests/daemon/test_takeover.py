"""`up -d --resume --force`: a run is taken from the process that has it, which ends."""

import signal

import pytest

from tests.support.daemons import DaemonPlace
from tests.support.waiting import until

STEPS = """
def note(name):
    with open("done", "a") as file: print(name, file=file)

@workflow
def noting(ctx):
    return Sequence(Task("one", note, "one"), Approval("approval", title="Go?"), Task("two", note, "two"))
"""


@pytest.mark.parametrize("is_halted", [pytest.param(False, marks=pytest.mark.slow), True])
def test_it_takes_the_run_and_the_port_from_a_daemon(place: DaemonPlace, *, is_halted: bool) -> None:
    place.write(STEPS)
    first = place.serve("--run-id", "r")
    first.until_log("asks")
    if is_halted:
        first.signal(signal.SIGSTOP)
    assert first.url is not None
    port = first.url.rpartition(":")[2]
    second = place.detach("--serve", "--port", port, "--resume", "--force")
    assert second.url == first.url
    assert not first.is_alive
    assert second.pid_file.read_text() == f"{second.pid}\n"
    assert second.request("/approve/approval", {})[0] == 200
    until(lambda: place.status("r") == "finished")
    assert place.lines("done") == ["one", "two"]
    assert "RunSuspended" in place.types("r"), "it was asked before it was killed"


@pytest.mark.slow
def test_it_takes_the_run_from_one_that_does_not_end(place: DaemonPlace) -> None:
    place.write("""
        async def blocks():
            Path("began").touch()
            if task_context().attempt == 1: time.sleep(1000)

        @workflow
        def blocking(ctx):
            return Task("blocks", blocks)
        """)
    first = place.detach("--run-id", "r")
    until((place.folder / "began").exists)
    second = place.detach("--resume", "--force")
    assert not first.is_alive
    second.until_ended()
    assert place.status("r") == "finished"
    assert "NodeInterrupted" in place.types("r")


def test_it_takes_the_run_from_one_with_another_pidfile(place: DaemonPlace) -> None:
    place.write(STEPS)
    first = place.detach("--run-id", "r", "--pid-file", "first.pid")
    first.until_log("asks")
    second = place.detach("--resume", "--force")
    first.until_ended()
    assert place.call("approve", "r").code == 0
    second.until_ended()
    assert place.status("r") == "finished"
    assert place.lines("done") == ["one", "two"]
    assert not first.pid_file.exists()
