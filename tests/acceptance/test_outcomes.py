"""How `up` ends: exit codes, last words, and nothing left behind."""

import os
import shlex
import subprocess

import pytest

from tests.support.flows import WAITS
from tests.support.place import SMITHERS, Place, clean_environment
from tests.support.waiting import DEADLINE_S, until

HELLO = """
@workflow
def hello(ctx: Context[str]):
    return Task("greet", "Hello, {}!".format, ctx.input)
"""


def test_a_finished_run_exits_with_0_and_leaves_only_the_store(place: Place) -> None:
    place.write(HELLO)
    code, text = place.run("up", "flow.py", "--input", '"you"', "--run-id", "r")
    assert (code, place.state("r").status) == (0, "finished")
    assert "Run finished" in text
    assert "\nResult: Hello, you!\n" in text
    assert "Hello, you!" in place.run("inspect", "r")[1]
    assert not list((place.state_folder / "runs").iterdir())
    assert (place.state_folder / "smithers.db").stat().st_mode & 0o777 == 0o600


def test_a_run_takes_its_input_key_by_key(place: Place) -> None:
    place.write("""
        @workflow
        def told(ctx):
            return Task("tell", "{version} to {region}, {count}".format_map, ctx.input)
        """)
    keys = ("-i", 'version="1.4"', "-i", "region=us", "--input", '{"region": "eu", "count": 3}')
    code, text = place.run("up", "flow.py", "--run-id", "r", *keys)
    assert code == 0
    assert "Result: 1.4 to us, 3" in text


def test_a_failed_run_exits_with_1_and_prints_the_command_that_goes_on_from_it(place: Place) -> None:
    place.write("""
        def shout(): raise ValueError("too loud")

        @workflow
        def failing(ctx):
            return Task("shout", shout)
        """)
    code, text = place.run("up", "flow.py:failing", "--run-id", "r")
    assert code == 1
    assert "too loud" in text
    assert "  smithers up flow.py:failing --from r\n" in text
    assert "Traceback (most recent call last)" not in text
    assert 'raise ValueError("too loud")' in place.run("up", "flow.py:failing", "--debug")[1]


def test_a_cancelled_run_exits_with_2(place: Place) -> None:
    place.write(WAITS)
    up = place.up("--run-id", "r")
    up.until_text("smithers approve r --node approval")
    assert place.run("cancel", "r")[0] == 0
    assert up.wait() == 2
    assert "  smithers up flow.py --from r\n" in up.text


@pytest.mark.parametrize("serve", [(), ("--serve", "--port", "0")])
def test_no_wait_suspends_a_run_that_only_waits_and_exits_with_3(place: Place, serve: tuple[str, ...]) -> None:
    place.write("""
        @workflow
        def waiting(ctx):
            return Sequence(Task("first", int), Approval("approval", title="Go?"), Task("last", int))
        """)
    code, text = place.run("up", "flow.py", "--run-id", "r", "--no-wait", *serve)
    assert (code, place.state("r").status) == (3, "suspended")
    assert "  smithers up flow.py --run-id r --resume\n" in text
    place.run("approve", "r")
    assert place.run("up", "flow.py", "--run-id", "r", "--resume", "--no-wait")[0] == 0


def test_a_decision_of_another_process_lets_the_run_go_on(place: Place) -> None:
    place.write("""
        @workflow
        def waiting(ctx):
            return Sequence(Approval("approval", title="Go?"), Task("last", int))
        """)
    up = place.up("--run-id", "r")
    command = up.until_text(r"smithers (approve .*)\n")[1]
    assert place.run(*command.split())[0] == 0
    assert up.wait() == 0


def test_a_run_that_has_ended_is_never_run_again(place: Place) -> None:
    place.write("""
        def once():
            with open("effects", "a") as file: file.write("x\\n")

        @workflow
        def single(ctx):
            return Task("once", once)
        """)
    assert place.run("up", "flow.py", "--run-id", "r")[0] == 0
    for way in ("--resume", "--resume-or-start"):
        assert place.run("up", "flow.py", "--run-id", "r", way)[0] == 0
    code, text = place.run("up", "flow.py", "--run-id", "r")
    assert code == 4
    assert "--resume" in text
    assert place.lines("effects") == ["x"]


def test_the_end_of_a_run_is_served_until_a_signal_which_then_exits_with_the_runs_own_code(place: Place) -> None:
    place.write("""
        def shout(): raise ValueError("too loud")

        @workflow
        def failing(ctx):
            return Task("shout", shout)
        """)
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("Still serving")
    assert up.request("/")[1]["status"] == "failed"
    up.popen.terminate()
    assert up.wait() == 1
    again = place.up("--run-id", "r", "--resume", "--serve", "--port", "0")
    again.until_text("Still serving")
    assert again.request("/")[1]["status"] == "failed"
    again.popen.terminate()
    assert again.wait() == 1


def test_only_force_takes_a_run_from_a_process_that_lives(place: Place) -> None:
    place.write(WAITS)
    first = place.up("--run-id", "r")
    first.until_text("smithers approve")
    assert place.run("up", "flow.py", "--run-id", "r", "--resume")[0] == 4
    second = place.up("--run-id", "r", "--resume", "--force")
    second.until_text("smithers approve")
    assert first.wait() == 143
    place.run("approve", "r")
    assert second.wait() == 0


def test_a_workflow_that_cannot_be_rendered_or_imported_leaves_nothing_behind(place: Place) -> None:
    place.write("""
        @workflow
        def twice(ctx):
            return Sequence(Task("same", int), Task("same", int))
        """)
    code, text = place.run("up", "flow.py", "--serve", "--port", "0")
    assert code == 4
    assert "same" in text
    place.write("raise RuntimeError('not today')", "broken.py")
    code, text = place.run("up", "broken.py")
    assert code == 4
    assert "not today" in text
    assert not list(place.state_folder.iterdir())
    assert "Traceback" in place.run("up", "broken.py", "--debug")[1]


def test_what_author_code_left_running_does_not_hold_up_the_end(place: Place) -> None:
    place.write("""
        import threading
        from concurrent.futures import ThreadPoolExecutor

        async def careless():
            threading.Thread(target=time.sleep, args=(300,)).start()
            ThreadPoolExecutor().submit(time.sleep, 300)
            asyncio.get_running_loop().run_in_executor(None, time.sleep, 300)
            asyncio.get_running_loop().create_task(asyncio.sleep(300))

        @workflow
        def leaving(ctx):
            return Task("careless", careless)
        """)
    assert place.run("up", "flow.py")[0] == 0


def test_what_tasks_print_is_told_with_their_node_and_in_the_log(place: Place) -> None:
    place.write("""
        import logging

        def speak():
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logging.getLogger("mine").warning("to the log")

        @workflow
        def speaking(ctx):
            return Task("speak", speak)
        """)
    code, text = place.run("up", "flow.py", "--run-id", "r")
    assert code == 0
    for said in ("to stdout", "to stderr", "to the log"):
        assert text.count(said) == 1
        assert f"speak | {said}\n" in text
    assert "NodeOutput" in place.types("r")


@pytest.mark.parametrize("way", ["-", "@input.json"])
def test_the_input_may_come_from_stdin_or_from_a_file(place: Place, way: str) -> None:
    place.write(HELLO)
    (place.folder / "input.json").write_text('"you"')
    command = (*SMITHERS, "up", "flow.py", "--run-id", "r", "--input", way)
    subprocess.run(command, cwd=place.folder, input=b'"you"', check=True, capture_output=True, timeout=DEADLINE_S)
    assert place.state("r").status == "finished"


def test_closed_streams_are_no_reason_to_fail(place: Place) -> None:
    place.write(HELLO)
    command = f"{shlex.join(SMITHERS)} up flow.py --run-id r --input '\"you\"' >&- 2>&-"
    assert subprocess.run(command, cwd=place.folder, shell=True, check=False, timeout=DEADLINE_S).returncode == 0
    assert place.state("r").status == "finished"


def test_a_reader_who_leaves_does_not_stop_the_run(place: Place) -> None:
    place.write("""
        async def chatter():
            for number in range(50):
                print("line", number, "x" * 5_000)
                await asyncio.sleep(0.005)

        @workflow
        def talking(ctx):
            return Task("chatter", chatter)
        """)
    command = (*SMITHERS, "up", "flow.py", "--run-id", "r")
    with subprocess.Popen(command, cwd=place.folder, stdout=subprocess.PIPE) as up:
        assert up.stdout is not None
        up.stdout.readline()
        up.stdout.close()
        assert up.wait(DEADLINE_S) == 0
    assert place.state("r").status == "finished"


def test_the_tracebacks_of_a_foreground_run_are_kept_and_named(place: Place) -> None:
    place.write("""
        def inner(key): return {}[key]

        def outer(): return inner("k")

        @workflow
        def failing(ctx): return Task("fails", outer, retries=1, retry_delay=0)
        """)
    code, text = place.run("up", "flow.py", "--run-id", "r")
    assert code == 1
    assert "fails failed: KeyError: 'k' (flow.py:" in text
    assert "Tracebacks: .smithers/runs/r/tracebacks\n" in text
    file = place.state_folder / "runs" / "r" / "tracebacks"
    kept = file.read_text()
    assert kept.count("Traceback (most recent call last)") == 2
    assert "attempt 2 of 'fails' raised KeyError" in kept
    assert 'return inner("k")' in kept
    assert file.stat().st_mode & 0o777 == 0o600


def test_kept_tracebacks_are_bounded_and_the_newest_stay(place: Place) -> None:
    place.write("""
        def fails(number): raise ValueError(f"number {number} " + "x" * 1_000_000)

        @workflow(max_concurrency=1)
        def failing(ctx): return Sequence(*(Task(f"t{n}", fails, n, continue_on_fail=True) for n in range(30)))
        """)
    assert place.run("up", "flow.py", "--run-id", "r")[0] == 0
    kept = (place.state_folder / "runs" / "r" / "tracebacks").read_bytes()
    assert 300_000 < len(kept) <= 1024 * 1024
    assert b"attempt 1 of 't29' raised ValueError" in kept
    assert b"'t0'" not in kept


def test_a_run_in_the_background_has_its_tracebacks_in_the_log(place: Place) -> None:
    place.write("""
        def fails(): raise ValueError("no")

        @workflow
        def failing(ctx): return Task("fails", fails)
        """)
    assert place.run("up", "flow.py", "--run-id", "r", "-d")[0] == 0
    until(lambda: "RunFailed" in place.types("r"))
    folder = place.state_folder / "runs" / "r"
    until(lambda: "ValueError: no\n" in (folder / "log").read_text())
    assert not (folder / "tracebacks").exists()


FLOOD = """
@workflow
def flood(ctx): return Shell("seq", "seq -f '%0200.0f' 20000")
"""


def test_a_slow_reader_of_a_pipe_gets_every_line(place: Place) -> None:
    place.write(FLOOD)
    command = (*SMITHERS, "up", "flow.py", "--run-id", "r")
    with subprocess.Popen(command, cwd=place.folder, stdout=subprocess.PIPE, env=clean_environment()) as process:
        assert process.stdout is not None
        until(lambda: place.types("r")[-1:] == ["RunFinished"])  # and nothing has been read so far
        text = process.stdout.read().decode()
    assert process.returncode == 0
    numbers = [line.rpartition(" ")[2] for line in text.splitlines() if "seq | " in line]
    assert "".join(numbers) == "".join(f"{n:0200}" for n in range(1, 20_001))


@pytest.mark.parametrize("command", [("events", "r", "--json"), ("events", "r"), ("logs", "r"), ("up", "flow.py")])
def test_a_stdout_that_does_not_block_gets_whole_lines(place: Place, command: tuple[str, ...]) -> None:
    place.write(FLOOD)
    assert place.run("up", "flow.py", "--run-id", "r", "--log-file", ".smithers/runs/r.log")[0] == 0
    if command[0] == "logs":
        (place.state_folder / "runs" / "r").mkdir(exist_ok=True)
        (place.state_folder / "runs" / "r.log").rename(place.state_folder / "runs" / "r" / "log")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with subprocess.Popen((*SMITHERS, *command), cwd=place.folder, stdout=writing, env=clean_environment()) as process:
        os.close(writing)
        with os.fdopen(reading, "rb") as reader:
            data = reader.read()
    assert process.returncode == 0
    assert data.count(b"0" * 195) >= 20_000
    assert data.endswith(b"\n")
