"""The log of a daemon: what happens and what is printed, whatever becomes of the file."""

import json
import re
import signal
from functools import partial
from pathlib import Path

import pytest

from smithersd.daemon.state.log_file import LogFile
from tests.support.daemons import Daemon, DaemonPlace, Said
from tests.support.waiting import DEADLINE_S, until

STORY = """
def work():
    print("from a task")
    raise ValueError("not yet")

@workflow
def story(ctx):
    return Sequence(Task("work", work, retries=1, retry_delay=0.01, continue_on_fail=True),
                    Approval("approval", title="Go\\x1b[31m?"))
"""
WHERE = "(flow.py:9 in work)"
LINE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (INFO   |WARNING|ERROR  ) (\S+) (.+)")


def story(place: DaemonPlace, *flags: str) -> Daemon:
    """Let a run fail at something, be approved and end."""
    place.write(STORY)
    daemon = place.detach("--run-id", "r", *flags)
    daemon.until_log("asks")
    assert place.call("approve", "r").code == 0
    daemon.until_ended()
    return daemon


def assert_is_of(said: Said, daemon: Daemon) -> None:
    """That a command printed the log of a process that lives, whose log may grow at any moment."""
    assert said.code == 0, said.err
    assert "approval asks" in said.out
    assert daemon.log.startswith(said.out)


def test_it_has_a_line_for_each_event_with_time_level_and_run(place: DaemonPlace) -> None:
    daemon = story(place)
    lines = [line for line in map(LINE.fullmatch, daemon.log.splitlines()) if line]
    assert {line[3] for line in lines} == {"r"}
    said = [(line[2].strip(), line[4]) for line in lines]
    assert ("INFO", "run started: story") in said
    assert ("INFO", "work | from a task") in said
    assert ("WARNING", f"work failed (attempt 2): ValueError: not yet {WHERE}") in said
    assert ("INFO", "approval asks: Go\\x1b[31m?") in said
    assert ("INFO", "run finished") in said
    assert daemon.log.count('raise ValueError("not yet")\nValueError: not yet\n') == 2, "the log has the tracebacks"
    assert daemon.log_file.stat().st_mode & 0o777 == 0o600


def test_json_lines_are_for_machines(place: DaemonPlace) -> None:
    daemon = story(place, "--log-format", "json")
    lines = [json.loads(line) for line in daemon.log.splitlines()]
    assert all(line["run"] == "r" and line["level"] in {"info", "warning", "error"} for line in lines)
    _, failed = [line for line in lines if line.get("event") == "NodeFailed"]
    assert failed["node"] == "work"
    assert failed["level"] == "warning"
    assert failed["message"] == f"work failed (attempt 2): ValueError: not yet {WHERE}"
    assert next(line["event"] for line in lines if "event" in line) == "RunStarted"
    assert [line["event"] for line in lines if "event" in line][-1] == "RunFinished"


def test_it_says_how_a_server_that_stays_is_stopped(place: DaemonPlace) -> None:
    place.write("@workflow\ndef quick(ctx): return Shell('true', 'true')\n")
    daemon = place.serve("--run-id", "r")
    daemon.until_log(f"Still serving at {daemon.url}. To stop: smithers down r")


def test_a_log_file_is_chosen_and_found_again(place: DaemonPlace) -> None:
    daemon = story(place, "--log-file", "my.log")
    assert daemon.log_file == place.folder / "my.log"
    assert not (place.state_folder / "runs" / "r" / "log").exists()
    place.write(STORY)
    again = place.serve("--run-id", "again", "--log-file", "my.log")
    until(lambda: again.log.count("approval asks") == 2)
    assert_is_of(place.call("logs", "again"), again)
    assert "r run finished" in again.log, "a log that is there is added to"


def test_in_the_foreground_it_goes_to_stderr(place: DaemonPlace) -> None:
    place.write("@workflow\ndef quick(ctx): return Shell('echo', 'echo hello')\n")
    code, said = place.run("up", "flow.py", "--log-format", "json", "--run-id", "r")
    assert code == 0
    events = [json.loads(line).get("event") for line in said.splitlines()]
    assert events.count("NodeOutput") == 1
    assert "RunFinished" in events
    assert not (place.state_folder / "runs" / "r").exists()


def test_in_the_foreground_it_goes_to_a_file_beside_the_terminal(place: DaemonPlace) -> None:
    place.write("@workflow\ndef quick(ctx): return Shell('echo', 'echo hello')\n")
    code, said = place.run("up", "flow.py", "--log-file", "my.log", "--run-id", "r")
    assert code == 0
    assert "Run finished" in said
    assert "r echo | hello" in (place.folder / "my.log").read_text()


def test_all_that_the_workflow_prints_goes_there_too(place: DaemonPlace) -> None:
    place.write("""
        import subprocess, threading
        print("printed at import")
        os.write(2, b"written at import\\n")
        subprocess.run(["echo", "by a command at import"])
        threading.Thread(target=lambda: [time.sleep(0.3), print("by a thread")], daemon=True).start()

        def work():
            subprocess.run(["echo", "by a command of a task"])
            print("printed by a task")

        @workflow
        def printing(ctx):
            print("printed at rendering")
            return Sequence(Task("work", work), Approval("approval", title="Go?"))
        """)
    daemon = place.detach()
    daemon.until_log("by a thread")
    lines = daemon.log.splitlines()
    for said in ("printed at import", "written at import", "by a command at import",
                 "by a command of a task", "by a thread"):  # fmt: skip
        assert lines.count(said) == 1, said
    assert "printed at rendering" in lines
    assert sum("work | printed by a task" in line for line in lines) == 1
    assert lines.index("printed at import") < lines.index("written at import") < lines.index("by a command at import")


COUNTING = """
async def count():
    for i in range(10_000_000):
        print(i)
        await asyncio.sleep(0.0005)
        if Path("enough").exists(): break
    print("counted", i)

@workflow
def counting(ctx):
    return Task("count", count)
"""


def test_after_a_rotation_it_goes_on_in_a_new_file_and_nothing_is_lost(place: DaemonPlace) -> None:
    place.write(COUNTING)
    daemon = place.detach("--run-id", "r")
    for rotation in range(5):
        until(lambda: "count | " in daemon.log)
        daemon.log_file.rename(daemon.log_file.with_suffix(f".{rotation}"))
        daemon.signal(signal.SIGHUP)
        until(daemon.log_file.exists)
    assert Path(f"/proc/{daemon.pid}/fd/1").readlink() == daemon.log_file
    (place.folder / "enough").touch()
    daemon.until_ended()
    files = [*(daemon.log_file.with_suffix(f".{rotation}") for rotation in range(5)), daemon.log_file]
    text = "".join(file.read_text() for file in files)
    counted = [int(number) for number in re.findall(r"count \| (\d+)$", text, re.MULTILINE)]
    assert counted == list(range(len(counted)))
    assert f"count | counted {counted[-1]}" in text
    assert place.status("r") == "finished"


def fill_the_disk_of(daemon: Daemon) -> None:
    """Let a daemon write its log to a device that is always full."""
    daemon.log_file.unlink()
    daemon.log_file.symlink_to("/dev/full")
    daemon.signal(signal.SIGHUP)
    until(lambda: Path(f"/proc/{daemon.pid}/fd/1").readlink() == Path("/dev/full"))


def test_a_log_that_cannot_be_written_stops_nothing(place: DaemonPlace) -> None:
    place.write("""
        print("printed at import")

        def work():
            os.write(1, b"x" * 100_000) if False else print("y" * 100_000)

        @workflow
        def printing(ctx):
            print("printed at rendering")
            return Sequence(Approval("approval", title="Go?"), Task("work", work))
        """)
    daemon = place.detach("--run-id", "r")
    daemon.until_log("approval asks")
    fill_the_disk_of(daemon)
    assert place.call("approve", "r").code == 0
    daemon.until_ended()
    assert place.status("r") == "finished"


def can_approve(place: DaemonPlace, approval: str) -> bool:
    return place.call("approve", "r", "--node", approval).code == 0


def test_what_could_not_be_written_is_counted_when_it_can_be_again(place: DaemonPlace) -> None:
    place.write("""
        @workflow
        def waiting(ctx):
            return Sequence(*(Approval(f"approval-{n}", title="Go?") for n in range(3)))
        """)
    daemon = place.detach("--run-id", "r")
    daemon.until_log("approval-0 asks")
    fill_the_disk_of(daemon)
    for approval in ("approval-0", "approval-1"):
        until(partial(can_approve, place, approval))
    daemon.log_file.unlink()
    daemon.signal(signal.SIGHUP)
    until(daemon.log_file.exists)
    until(partial(can_approve, place, "approval-2"))
    daemon.until_ended()
    assert re.search(r"WARNING r \d+ lines are missing here: the log could not be written\.\n", daemon.log)
    assert "approval-0 approved" not in daemon.log
    assert "approval-2 approved" in daemon.log


def test_a_line_that_was_torn_by_a_full_disk_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource  # noqa: PLC0415 - only here

    log = LogFile(tmp_path / "log")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        assert not log.write("0123456789abc\n")
        assert not log.write("lost\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert log.write("whole\n")
    assert (tmp_path / "log").read_text() == "0123456789\nwhole\n"


def test_a_reader_of_stderr_who_rests_holds_up_no_run(place: DaemonPlace) -> None:
    place.write("""
        def work():
            for _ in range(3000): print("x" * 1000)

        @workflow
        def printing(ctx):
            return Sequence(Task("work", work), Shell("after", "touch after"))
        """)
    up = place.start_unread("up", "flow.py", "--log-format", "human", "--run-id", "r")
    until((place.folder / "after").exists)
    until(lambda: place.status("r") == "finished")
    assert up.poll() is None, "its reader lives: it is waited for, and nothing is lost"
    up.send_signal(signal.SIGTERM)
    assert up.wait(DEADLINE_S) == 0


def test_logs_prints_it_and_needs_no_name_where_one_run_has_a_process(place: DaemonPlace) -> None:
    place.write(STORY)
    daemon = place.serve("--run-id", "r")
    assert place.up("--no-wait", "--run-id", "suspended").wait() == 3
    daemon.until_log("asks")
    assert_is_of(place.call("logs"), daemon)
    said = place.call("logs", "suspended")
    assert said.code == 4
    assert "Run 'suspended' has no log file on this machine." in said.err


def test_a_log_that_was_deleted_is_opened_anew(place: DaemonPlace) -> None:
    place.write(STORY)
    daemon = place.detach("--run-id", "r")
    daemon.until_log("approval asks")
    daemon.log_file.unlink()
    assert place.call("approve", "r").code == 0
    daemon.until_ended()
    assert "approval asks" not in daemon.log
    assert "Run finished" in daemon.log


@pytest.mark.parametrize("log_format", ["human", "json"])
@pytest.mark.parametrize("how", ["cancel", "down", "down --suspend", "http", "SIGINT", "SIGTERM"])
def test_it_says_who_ended_a_run(place: DaemonPlace, how: str, log_format: str) -> None:
    place.write(STORY)
    daemon = place.serve("--run-id", "r", "--log-format", log_format)
    daemon.until_log("approval asks")
    match how:
        case "http":
            assert daemon.request("/cancel", {})[0] == 200
            said = r"'127\.0\.0\.1 \(POST /cancel\)' asked to cancel the run"
        case "cancel" | "down":
            assert place.call(how, "r").code == 0
            said = r"'\S+( \(smithers down\))?' asked to cancel the run"
        case "down --suspend":
            assert place.call("down", "r", "--suspend").code == 0
            said = r"Suspending the run: SIGTERM from \S+ \(smithers down\)"
        case _:
            daemon.signal(signal.Signals[how])
            said = rf"the run: {how}\b(?! from)"
    until(lambda: re.search(said, daemon.log), lambda: daemon.log)


def test_logs_follows_it_over_a_rotation_to_the_end(place: DaemonPlace) -> None:
    place.write(COUNTING)
    daemon = place.detach("--run-id", "r")
    following = place.start("logs", "r", "-f")
    following.until_text(r"count \| 20\n")
    daemon.log_file.rename(daemon.log_file.with_suffix(".1"))
    daemon.log_file.touch(0o600)  # as logrotate does before it tells the process
    marker = len(following.text)
    until(lambda: len(following.text) > marker, "what is written before the process is told")
    daemon.signal(signal.SIGHUP)
    until(lambda: daemon.log_file.stat().st_size > 0)
    (place.folder / "enough").touch()
    assert following.wait() == 0
    assert not daemon.is_alive
    assert following.text == daemon.log_file.with_suffix(".1").read_text() + daemon.log
    assert "Run finished" in following.text


def test_a_run_without_a_log_points_to_its_events_and_its_journal(place: DaemonPlace) -> None:
    place.write("@workflow\ndef quick(ctx): return Task('one', int)\n")
    assert place.up("--run-id", "r").wait() == 0
    said = place.call("logs", "r")
    assert said.code != 0
    assert "`smithers events`" in said.err
    assert "`journalctl --user -u smithersd@r`" in said.err
