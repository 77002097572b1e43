"""Shell commands: real processes, their groups, their signals, their output."""

import contextlib
import json
import os
import re
import resource
import signal
import threading
from pathlib import Path

import psutil
import pytest

from smithersd.errors import InvalidOutput, ShellFailed
from smithersd.executors import Failed, FunctionCall, ShellCall, Stopped, Succeeded
from smithersd.limits import NODE_OUTPUT_ATTEMPT_BYTES_MAX, OUTPUT_BYTES_MAX
from tests.support.dispositions import ignored_or_blocked
from tests.support.waiting import until_async


def is_alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def open_descriptors():
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):  # the listing's own
            found.add((link.name, str(link.readlink())))
    return found


@pytest.fixture
def descriptors():
    """List the descriptors that the test has opened: what earlier ones left may be closed at any moment."""
    others = open_descriptors()
    return lambda: open_descriptors() - others


@pytest.fixture
def children():
    """List the children that the test has made: a fixture of the session may have others."""
    others = set(psutil.Process().children())
    return lambda: [child for child in psutil.Process().children() if child not in others and child.is_running()]


async def test_the_output_is_the_whole_stdout(bench):
    assert await bench.shell("echo one; echo two").outcome() == Succeeded('"one\\ntwo\\n"')


async def test_a_tuple_is_executed_without_a_shell(bench):
    assert await bench.shell(("echo", "$HOME; *")).outcome() == Succeeded('"$HOME; *\\n"')


async def test_env_is_added_to_ours_and_cwd_is_where_it_runs(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("OURS", "1")

    assert await bench.shell('echo "$OURS $THEIRS"; pwd', str(tmp_path), THEIRS="2").outcome() == Succeeded(
        f'"1 2\\n{tmp_path}\\n"'
    )


async def test_both_streams_are_printed_each_in_its_order(bench):
    record = bench.shell("for i in 1 2 3; do echo out$i; echo err$i >&2; done")
    await record.outcome()

    assert record.text("stdout") == "out1\nout2\nout3\n"
    assert record.text("stderr") == "err1\nerr2\nerr3\n"


async def test_lines_are_printed_while_the_command_runs(bench):
    record = bench.shell("echo early; read line < /dev/null; sleep 100")
    await record.until(lambda r: "early" in r.text())

    assert record.outcomes == []


async def test_stdin_is_empty(bench):
    assert await bench.shell("cat; echo end").outcome() == Succeeded('"end\\n"')


async def test_an_exit_code_fails_with_the_end_of_stderr(bench):
    outcome = await bench.shell("seq 1 100 >&2; echo oops >&2; exit 3").outcome()

    assert (outcome.error.code, outcome.error.name) == (ShellFailed.code, "ShellFailed")
    assert outcome.error.message.startswith("The command of 'node-1' ended with exit code 3:\n82\n83\n")
    assert outcome.error.message.endswith("\n100\noops")


async def test_the_end_of_stderr_in_an_error_is_bounded(bench):
    outcome = await bench.shell("head -c 5000000 /dev/zero | tr '\\0' 'x' >&2; exit 1").outcome()

    assert 2_000 < len(outcome.error.message) < 2_100


async def test_a_tool_that_writes_its_errors_to_stdout_is_quoted_too(bench):
    outcome = await bench.shell("echo 3 tests failed; exit 1").outcome()

    assert outcome.error.message == "The command of 'node-1' ended with exit code 1:\n3 tests failed"


async def test_a_signal_is_named(bench):
    outcome = await bench.shell("kill -SEGV $$").outcome()

    assert outcome.error.message == "The command of 'node-1' was ended by SIGSEGV."


@pytest.mark.parametrize(
    "work",
    [
        ShellCall(("/no/such/program",), None, {}),
        ShellCall("true", "/no/such/folder", {}),
        ShellCall(("echo", "a\0b"), None, {}),
        ShellCall("true", None, {"A=B": "C"}),
        ShellCall((), None, {}),
        ShellCall(("/etc/passwd",), None, {}),
    ],
)
async def test_a_command_that_cannot_be_started_fails_and_says_so(bench, work):
    outcome = await bench.start(work).outcome()

    assert outcome.error.code == ShellFailed.code
    assert "The command of 'node-1' cannot be started: " in outcome.error.message


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    """The working directory, with programs that say where they lie."""
    (tmp_path / "sub" / "bin").mkdir(parents=True)
    for name in ("here", "sub/here", "sub/bin/found"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho {name}\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "plain").write_text("#!/bin/sh\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "cwd", "path", "said"),
    [
        (("./here",), None, None, "here"),
        (("./here",), "sub", None, "sub/here"),
        (("sub/here",), None, None, "sub/here"),
        (("bin/found",), "sub", None, "sub/bin/found"),
        (("found",), None, "sub/bin", "sub/bin/found"),
        (("found",), "sub", "bin", "sub/bin/found"),
    ],
)
async def test_a_program_is_found_as_a_shell_would(bench, scripts, words, cwd, path, said):
    env = {} if path is None else {"PATH": f"{path}:{os.environ['PATH']}"}
    assert await bench.shell(words, cwd, **env).outcome() == Succeeded(f'"{said}\\n"')


@pytest.mark.parametrize(
    ("words", "cwd", "message"),
    [
        (("./gone",), None, "there is no program './gone'"),
        (("./gone",), "sub", "there is no program './gone' in 'sub'"),
        (("./plain",), None, "'./plain' may not be executed; `chmod +x` allows it"),
        (("./sub",), None, "'./sub' is a folder"),
        (("here",), None, "there is no program 'here' on PATH; the one in its working directory is './here'"),
        (("no-such-program",), None, "there is no program 'no-such-program' on PATH"),
        (("./here",), "gone", "its working directory 'gone' is not a folder"),
    ],
)
async def test_what_is_wrong_with_a_program_is_said(bench, scripts, words, cwd, message):
    outcome = await bench.shell(words, cwd).outcome()

    assert outcome.error.message == f"The command of 'node-1' cannot be started: {message}."


@contextlib.contextmanager
def no_more_descriptors():
    """No file can be opened, but for one, which is amid what a process needs."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, limits[1]))
    taken = []
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        os.close(taken.pop())
        yield
        taken.append(os.open("/dev/null", os.O_RDONLY))  # nothing was left open
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_command_waits_while_no_more_files_can_be_opened(bench, caplog):
    with no_more_descriptors():
        record = bench.shell("echo here")

    assert await record.outcome() == Succeeded('"here\\n"')
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said == ["attempt 1 of 'node-1' cannot be started now, and will be retried: [Errno 24] Too many open files."]


async def test_a_command_that_waits_for_room_can_be_stopped(bench):
    with no_more_descriptors():
        record = bench.shell("echo here > there")
        record.running.stop()
        record.running.stop()

    assert await record.outcome() == Stopped()


async def test_a_command_that_waits_for_room_keeps_nobody_from_closing(open_bench):
    async with open_bench() as bench:
        with no_more_descriptors():
            record = bench.shell("echo here")
    assert record.told == []


async def test_output_that_is_no_utf8_is_replaced_and_characters_are_never_cut(bench):
    record = bench.shell("printf 'a\\377b'; printf '\\303'; sleep 0.3; printf '\\251'; printf '\\303'")

    assert await record.outcome() == Succeeded('"a\ufffdb\u00e9\ufffd"')
    assert record.text() == "a\ufffdbé\ufffd"


async def test_stop_ends_the_whole_group(bench):
    record = bench.shell("sleep 100 & sleep 101 & echo $$ $!; wait")
    await record.until(lambda r: "\n" in r.text())
    pids = [int(pid) for pid in record.text().split()]
    record.running.stop()
    record.running.stop()

    assert await record.outcome() == Stopped()
    assert not any(is_alive(pid) for pid in pids)


async def test_a_stopped_command_is_through_only_when_its_group_is(bench, tmp_path):
    (tmp_path / "child.sh").write_text(
        "trap 'sleep 0.4; echo cleaned > cleaned; exit' TERM; echo up > up; while :; do sleep 0.02; done"
    )
    record = bench.shell("sh child.sh > /dev/null 2>&1 & wait", str(tmp_path))
    await until_async((tmp_path / "up").exists)
    record.running.stop()

    assert await record.outcome() == Stopped()
    assert (tmp_path / "cleaned").exists()


async def test_exit_code_0_after_the_stop_is_no_success(bench):
    record = bench.shell("trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done")
    await record.until(lambda r: "up" in r.text())
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_a_command_that_had_ended_before_the_stop_is_a_success(bench, children, tmp_path):
    record = bench.shell("echo done; sleep 100 & echo $! > sleeper", str(tmp_path))
    (child,) = children()
    await until_async(lambda: not is_alive(child.pid))
    record.running.stop()

    assert await record.outcome() == Succeeded('"done\\n"')
    os.kill(int((tmp_path / "sleeper").read_text()), signal.SIGKILL)


async def test_a_halted_command_can_be_stopped(bench):
    record = bench.shell("trap 'exit 1' TERM; echo up; kill -STOP $$; while :; do sleep 0.02; done")
    await record.until(lambda r: "up" in r.text())
    record.running.stop()

    assert await record.outcome() == Stopped()


async def test_abandon_kills_a_group_that_ignores_the_stop_and_tells_nothing(bench):
    record = bench.shell("trap '' TERM; (trap '' TERM; while :; do sleep 0.05; done) & echo $$ $!; wait; sleep 100")
    await record.until(lambda r: "\n" in r.text())
    pids = [int(pid) for pid in record.text().split()]
    told = list(record.told)
    record.running.stop()
    assert all(is_alive(pid) for pid in pids)
    record.running.abandon()

    await until_async(lambda: not any(is_alive(pid) for pid in pids))
    assert record.told == told


async def test_an_abandoned_command_leaves_no_zombie_and_no_descriptor(bench, children, descriptors):
    record = bench.shell("trap '' TERM; echo up; while :; do sleep 0.05; done")
    await record.until(lambda r: "up" in r.text())
    record.running.abandon()

    await until_async(lambda: not children())
    await until_async(lambda: not descriptors())


async def test_a_process_left_in_the_background_does_not_hang_the_attempt(bench):
    record = bench.shell("echo done; sleep 100 & echo $!")

    outcome = await record.outcome()

    pid = int(record.text().split()[1])
    assert outcome == Succeeded(f'"done\\n{pid}\\n"')
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)


async def test_what_the_background_writes_shortly_after_the_end_is_kept(bench):
    assert await bench.shell("(sleep 0.1; echo late) & echo early").outcome() == Succeeded('"early\\nlate\\n"')


async def test_a_command_that_closes_its_output_early_is_awaited(bench):
    record = bench.shell("exec >&- 2>&-; sleep 0.2; exit 4")

    assert "exit code 4" in (await record.outcome()).error.message


def whole(command):
    return ShellCall(command, None, {}, needs_whole_stdout=True)


async def test_a_flood_of_stdout_that_is_needed_whole_is_ended_and_memory_stays_bounded(bench):
    before = psutil.Process().memory_info().rss
    record = bench.start(whole("head -c 100000000 /dev/zero | tr '\\0' 'x'; sleep 100"))

    outcome = await record.outcome()

    assert outcome.error.code == InvalidOutput.code
    assert "wrote more than 10 MiB to stdout" in outcome.error.message
    assert sum(len(text) for text, _, _ in record.of("printed")) == NODE_OUTPUT_ATTEMPT_BYTES_MAX
    assert [is_last for _, _, is_last in record.of("printed")].count(True) == 1
    assert record.of("printed")[-1][2]
    assert psutil.Process().memory_info().rss - before < 80_000_000


async def test_of_a_flood_of_stdout_the_end_is_kept_and_marked(bench):
    before = psutil.Process().memory_info().rss
    outcome = await bench.shell("seq -f '%0999.0f' 100000").outcome()

    text = json.loads(outcome.output)
    mark, *lines = text.splitlines()
    assert mark == f"[the first {100_000_000 - 1000 * len(lines):,} bytes of stdout were cut]"
    assert [int(line) for line in lines] == list(range(100_001 - len(lines), 100_001))
    assert OUTPUT_BYTES_MAX - 2 * 1001 < len(outcome.output) <= OUTPUT_BYTES_MAX
    assert psutil.Process().memory_info().rss - before < 150_000_000


@pytest.mark.parametrize("command", ["head -c 9000000 /dev/zero", "yes '' | head -c 9000000"])
async def test_a_stdout_that_is_too_large_only_as_json_is_cut_too(bench, command):
    outcome = await bench.shell(command).outcome()

    text = json.loads(outcome.output)
    assert re.match(r"\[the first [0-9,]+ bytes of stdout were cut\]\n.", text, re.DOTALL)
    assert OUTPUT_BYTES_MAX - 200 < len(outcome.output) <= OUTPUT_BYTES_MAX


async def test_a_flood_of_stderr_is_cut_and_the_command_goes_on(bench):
    record = bench.shell("head -c 100000000 /dev/zero | tr '\\0' 'x' >&2; echo done")

    assert await record.outcome() == Succeeded('"done\\n"')
    assert len(record.text("stderr")) <= NODE_OUTPUT_ATTEMPT_BYTES_MAX


async def test_a_flood_that_ignores_sigterm_is_killed(bench, children):
    flood = "trap '' TERM; exec 2>/dev/null; head -c 20000000 /dev/zero; while :; do sleep 0.05; done"
    record = bench.start(whole(flood))

    assert (await record.outcome()).error.code == InvalidOutput.code
    await until_async(lambda: not children())


async def test_both_pipes_full_at_once_do_not_deadlock(bench):
    record = bench.shell("head -c 2000000 /dev/zero >&2; head -c 2000000 /dev/zero; head -c 2000000 /dev/zero >&2")

    assert isinstance(await record.outcome(), Succeeded)


async def test_a_large_stdout_is_encoded_in_a_thread(bench):
    threads = []

    def encode(text):
        threads.append(threading.current_thread())
        return str(len(text))

    small = bench.start(ShellCall("echo x", None, {}), encode=encode)
    assert await small.outcome() == Succeeded("2")
    large = bench.start(ShellCall("head -c 1000000 /dev/zero", None, {}), encode=encode)
    assert await large.outcome() == Succeeded("1000000")

    assert threads[0] is threading.current_thread()
    assert threads[1] is not threading.current_thread()


@pytest.mark.parametrize("command", ["echo x", "head -c 1000000 /dev/zero"])
async def test_an_output_that_is_refused_fails_the_attempt(bench, command):
    def encode(_text):
        raise InvalidOutput("this is no JSON")

    outcome = await bench.start(ShellCall(command, None, {}), encode=encode).outcome()

    assert outcome.error.code == InvalidOutput.code
    assert outcome.error.message.startswith("this is no JSON (")


async def test_an_exit_code_that_somebody_else_took_is_no_success(bench, children):
    record = bench.shell("sleep 0.1; exit 1")
    (child,) = children()
    os.waitpid(child.pid, 0)  # noqa: ASYNC222 - holds up the loop, so that nothing of ours can be faster

    assert "exit code is unknown" in (await record.outcome()).error.message


async def test_signals_that_we_ignore_or_block_are_at_their_default_in_the_command(bench):
    ignored = [signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGTERM, signal.SIGUSR1, signal.SIGPIPE]
    before = [(number, signal.signal(number, signal.SIG_IGN)) for number in ignored]
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGINT})
    try:
        record = bench.shell(("cat", "/proc/self/status"))
        assert all(signal.getsignal(number) is signal.SIG_IGN for number in ignored)
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) >= {signal.SIGUSR2, signal.SIGINT}
        await record.outcome()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before:
            signal.signal(number, handler)

    assert not ignored_or_blocked(record.text())


async def test_a_command_leads_a_session_of_its_own(bench):
    record = bench.shell("echo $$; ps -o pid=,pgid=,sid= -p $$")
    await record.outcome()

    pid, *ids = record.text().split()
    assert ids == [pid, pid, pid]


async def test_a_command_inherits_no_descriptor_of_ours(bench):
    ours = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(ours, True)  # noqa: FBT003
    record = bench.shell("ls /proc/$$/fd")
    await record.outcome()
    os.close(ours)

    assert record.text().split() == ["0", "1", "2"]


async def test_fifty_commands_at_once_leave_nothing_behind(bench, children, descriptors):
    threads = set(threading.enumerate())
    records = [bench.shell(f"echo {number}; echo e >&2; exit {number % 2}") for number in range(50)]
    assert set(threading.enumerate()) <= threads, "no thread for each child"

    outcomes = [await record.outcome() for record in records]

    assert [isinstance(outcome, Failed) for outcome in outcomes] == [False, True] * 25
    assert (descriptors(), children()) == (set(), [])


async def test_the_end_is_seen_where_the_kernel_has_no_pidfd(bench, monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")

    assert await bench.shell("echo x").outcome() == Succeeded('"x\\n"')
    record = bench.shell("sleep 100")
    record.running.stop()
    assert await record.outcome() == Stopped()


async def test_a_function_beside_commands_goes_on(bench):
    record = bench.shell("yes | head -c 8000000")

    async def work():
        return 1

    assert await bench.start(FunctionCall(work, ())).outcome() == Succeeded("1")
    assert isinstance(await record.outcome(), Succeeded)
