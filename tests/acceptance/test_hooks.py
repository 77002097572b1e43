"""--on-wait, --on-fail, --on-end: somebody is told once, whatever happens to process and command."""

import json
import signal
from typing import Any

import pytest

from tests.support.place import Place
from tests.support.waiting import until

ONE_APPROVAL = """
    @workflow
    def flow(ctx):
        patch = Task("fix", lambda: {"lines": 3})
        return Sequence(patch, Approval("deploy", title="Ship it?", show=patch))
    """
TWO_APPROVALS = """
    @workflow
    def flow(ctx):
        return Parallel(
            Sequence(Approval("first", title="First?"), Task("done", lambda: None)),
            Sequence(Shell("slow", "while [ ! -e go ]; do sleep 0.02; done"), Approval("second", title="Second?")),
        )
    """
TELL = "cat >> told"
TELL_AND_FAIL = "cat > /dev/null; echo x >> tries; echo no such channel >&2; exit 7"


def told(place: Place) -> list[dict[str, Any]]:
    return [json.loads(line) for line in place.lines("told")]


def is_told(place: Place, count: int = 1) -> bool:
    """Whether so many messages have come, and were written down as told."""
    files = list(place.state_folder.glob("runs/*/sent"))
    return len(told(place)) == count and bool(files)


def new_in(message: dict[str, Any]) -> list[str]:
    return [one["nodeId"] for one in message["approvals"] if one["new"]]


def test_the_command_is_given_all_that_is_needed_to_decide(place):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", "--serve", "--port", "0", "--on-wait", TELL)
    until(lambda: is_told(place))

    (message,) = told(place)
    _, approvals = process.request("/approvals")
    (approval,) = message.pop("approvals")
    commands = {"approveCommand": "smithers approve r --node deploy", "denyCommand": "smithers deny r --node deploy"}
    assert approval == {**approvals[0], "new": True, **commands}
    assert approval["shown"] == {"lines": 3}
    link = f"{process.url}/?runId=r"
    assert message == {
        "runId": "r", "workflowName": "flow", "url": process.url, "link": link, "folder": str(place.folder)
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_wait_that_was_told_is_not_told_again_after_a_restart(place, number):
    place.write(TWO_APPROVALS)
    first = place.up("--run-id", "r", "--on-wait", TELL)
    until(lambda: is_told(place))
    first.signal(number)
    first.wait()

    second = place.up("--run-id", "r", "--resume", "--on-wait", TELL)
    second.until_text("slow")
    (place.folder / "go").touch()
    until(lambda: is_told(place, 2))

    assert [new_in(message) for message in told(place)] == [["first"], ["second"]]
    assert [one["nodeId"] for one in told(place)[1]["approvals"]] == ["first", "second"]


@pytest.mark.slow
def test_a_command_that_fails_is_a_log_line_and_the_next_start_tries_again(place):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", "--on-wait", TELL_AND_FAIL)
    process.until_text("--on-wait: the command ended with exit code 7: no such channel")
    process.signal(signal.SIGTERM)
    assert process.wait() == 143
    place.up("--run-id", "r", "--resume", "--on-wait", TELL)
    until(lambda: is_told(place))

    assert place.run("approve", "r")[0] == 0
    until(lambda: str(place.state("r").status) == "finished")
    assert len(place.lines("tries")) == 1


@pytest.mark.slow
def test_a_command_that_hangs_holds_up_neither_the_run_nor_its_end(place):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", "--on-wait", "echo $$ > begun; sleep 1000 & wait")
    until(lambda: place.lines("begun"))
    process.signal(signal.SIGTERM)

    assert process.wait() == 143
    assert place.processes_left() == []
    assert "RunSuspended" in place.types("r")


@pytest.mark.slow
def test_a_run_that_does_not_wait_tells_before_it_exits(place):
    place.write(ONE_APPROVAL)
    code, text = place.run("up", "flow.py", "--run-id", "r", "--no-wait", "--on-wait", f"sleep 0.3; {TELL}")

    assert code == 3, text
    assert [new_in(message) for message in told(place)] == [["deploy"]]


@pytest.mark.slow
def test_what_was_told_is_forgotten_with_the_run(place):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", "--on-wait", TELL)
    until(lambda: is_told(place))
    place.run("approve", "r")

    assert process.wait() == 0
    assert list(place.state_folder.glob("runs/*/sent")) == []


@pytest.mark.slow
def test_the_command_gets_no_secret(place):
    place.write(ONE_APPROVAL)
    command = f"env > env; cat /proc/$PPID/environ >> env; {TELL}"
    secrets = {"SMITHERS_API_KEY": "sesame", "NOTIFY_SOCKET": "/nowhere"}
    place.up("--run-id", "r", "--serve", "--port", "0", "--on-wait", command, **secrets)
    until(lambda: is_told(place))

    found = (place.folder / "env").read_text()
    assert "PATH=" in found
    assert "sesame" not in found
    assert "NOTIFY_SOCKET=" not in "\n".join(place.lines("env")[:-1])


@pytest.mark.slow
def test_a_daemon_tells_too(place):
    place.write(ONE_APPROVAL)
    code, text = place.run("up", "flow.py", "-d", "--run-id", "r", "--on-wait", TELL)
    assert code == 0, text
    until(lambda: is_told(place))

    assert place.run("down", "r")[0] == 0
    assert len(told(place)) == 1


FAILING = """
    @workflow
    def flow(ctx):
        return Sequence(Task("fine", lambda: 1), Shell("broken", "while [ ! -e go ]; do sleep 0.02; done; exit 3"))
    """
ENDING = """
    @workflow
    def flow(ctx):
        return Task("only", lambda: 1)
    """
TELL_BOTH = ("--on-fail", "cat >> failed", "--on-end", "cat >> ended")


def ends_told(place: Place) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """What the commands of --on-fail and --on-end were given."""
    failed, ended = ([json.loads(line) for line in place.lines(name)] for name in ("failed", "ended"))
    return failed, ended


@pytest.mark.slow
def test_a_run_that_failed_is_told_with_all_that_is_needed_to_go_on(place):
    place.write(FAILING)
    process = place.up("--run-id", "r", "--serve", "--port", "0", *TELL_BOTH)
    process.until_text("broken")
    (place.folder / "go").touch()
    until(lambda: all(ends_told(place)))

    ([failed], [ended]) = ends_told(place)
    assert failed == ended
    _, status = process.request("/")
    link, error = f"{process.url}/?runId=r", failed.pop("error")
    assert failed == {
        **status,
        "url": process.url,
        "link": link,
        "folder": str(place.folder),
        "inspectCommand": "smithers inspect r",
        "startFromCommand": "smithers up flow.py --from r",
    }
    assert status["status"] == "failed"
    assert "broken" in error["message"]


@pytest.mark.slow
def test_a_run_that_finished_tells_of_its_end_only(place):
    place.write(ENDING)
    code, text = place.run("up", "flow.py", "--run-id", "r", *TELL_BOTH)

    assert code == 0, text
    failed, [ended] = ends_told(place)
    assert failed == []
    assert (ended["status"], ended["error"], ended["startFromCommand"], ended["url"]) == ("finished", None, None, None)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["SIGINT", "down", "cancel"])
def test_a_run_that_somebody_cancels_tells_of_its_end(place, way):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", "--on-end", "sleep 0.3; cat >> ended")
    process.until_text("deploy")
    if way == "SIGINT":
        process.signal(signal.SIGINT)
    else:
        assert place.run(way, "r")[0] == 0

    process.wait()
    assert [message["status"] for message in ends_told(place)[1]] == ["cancelled"], process.text


@pytest.mark.slow
def test_a_suspension_is_no_end(place):
    place.write(ONE_APPROVAL)
    process = place.up("--run-id", "r", *TELL_BOTH)
    process.until_text("deploy")
    process.signal(signal.SIGTERM)

    assert process.wait() == 143
    assert ends_told(place) == ([], [])


@pytest.mark.slow
def test_an_end_that_was_told_is_not_told_again_and_one_that_was_not_is(place):
    place.write(ENDING)
    failing = ("--on-end", "exit 7")
    code, text = place.run("up", "flow.py", "--run-id", "r", *failing)
    assert (code, "--on-end: the command ended with exit code 7" in text) == (0, True), text

    for _ in range(2):
        assert place.run("up", "flow.py", "--run-id", "r", "--resume", *TELL_BOTH)[0] == 0
    assert len(ends_told(place)[1]) == 1


@pytest.mark.slow
def test_a_process_that_is_killed_while_it_tells_of_the_end_leaves_that_to_the_next(place):
    place.write(ENDING)
    process = place.up("--run-id", "r", "--on-end", "echo $$ > begun; sleep 1000 & wait")
    until(lambda: place.lines("begun"))
    process.kill()

    assert place.run("up", "flow.py", "--run-id", "r", "--resume", *TELL_BOTH)[0] == 0
    assert [message["status"] for message in ends_told(place)[1]] == ["finished"]


@pytest.mark.slow
def test_a_standby_leaves_an_end_to_the_driver_that_came_to_it(place):
    place.write(ONE_APPROVAL)
    driver = place.up("--run-id", "r", "--on-end", "cat >> ended")
    driver.until_text("deploy")
    standby = place.up("--run-id", "r", "--standby", "--pid-file", "other", "--on-end", "cat >> failed")
    standby.until_text("stands by")
    assert place.run("approve", "r")[0] == 0

    assert (driver.wait(), standby.wait()) == (0, 0)
    failed, ended = ends_told(place)
    assert (failed, len(ended)) == ([], 1)
