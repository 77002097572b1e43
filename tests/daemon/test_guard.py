"""The guard: whatever a killed process's commands have started ends without anybody coming back to the run."""

import os
import signal

import psutil
import pytest

from tests.support.place import Place
from tests.support.waiting import until


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    yield made
    made.end()


def write_shell(place, command):
    place.write(f"""
        @workflow
        def flow(ctx):
            return Shell("build", {command!r})
        """)


def guards_of(process):
    children = psutil.Process(process.popen.pid).children()
    return [child for child in children if any(word.endswith("tagged.py") for word in child.cmdline())]


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("command", ["sleep 1000", "sleep 1000 | cat", "setsid nohup sleep 1000 > /dev/null & wait"])
def test_a_command_and_what_it_started_die_with_a_killed_process(place, command):
    write_shell(place, f"echo up > up; {command}; true")
    process = place.up("--run-id", "r")
    until(lambda: place.lines("up"))
    until(lambda: len(place.processes_left()) > 1)
    process.kill()

    until(lambda: not place.processes_left())


@pytest.mark.slow
def test_what_ignores_the_request_to_end_is_killed(place):
    write_shell(place, "trap '' TERM; setsid sh -c 'echo up > up; while :; do sleep 0.05; done' & wait")
    process = place.up("--run-id", "r")
    until(lambda: place.lines("up"))
    process.kill()

    until(lambda: not place.processes_left())


@pytest.mark.slow
def test_a_fork_that_outlives_the_process_does_not_hold_the_guard_back_and_is_ended(place):
    place.write("""
        import multiprocessing

        def stay(path):
            Path(path).write_text(str(os.getpid()))
            time.sleep(1000)

        def fork():
            multiprocessing.get_context("fork").Process(target=stay, args=("stayed",)).start()

        async def after_the_shell_has_begun():
            while not Path("up").exists():
                await asyncio.sleep(0.01)
            await asyncio.to_thread(fork)
            await asyncio.sleep(1000)

        @workflow
        def flow(ctx):
            return Parallel(Shell("build", "echo $$ > up; sleep 1000; true"), Task("fork", after_the_shell_has_begun))
        """)
    process = place.up("--run-id", "r")
    (forked,) = until(lambda: place.lines("stayed"))
    (command,) = place.lines("up")
    process.kill()

    until(lambda: not is_alive(int(command)))
    until(lambda: not is_alive(int(forked)))


@pytest.mark.slow
def test_what_a_finished_command_left_in_the_background_goes_on(place):
    place.write("""
        @workflow
        def flow(ctx):
            return Sequence(Shell("leave", "sleep 1000 > /dev/null 2>&1 & echo $! > left"), Approval("go", title="?"))
        """)
    process = place.up("--run-id", "r")
    process.until_text("go asks")
    (pid,) = place.lines("left")
    (guard,) = guards_of(process)
    process.kill()
    until(lambda: not is_alive(guard.pid))

    assert is_alive(int(pid))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_guard_is_gone_when_the_process_is(place, number):
    write_shell(place, "echo up > up; sleep 1000")
    process = place.up("--run-id", "r")
    until(lambda: place.lines("up"))
    (guard,) = guards_of(process)
    process.signal(number)
    process.wait()

    assert not is_alive(guard.pid)


@pytest.mark.slow
def test_a_guard_that_was_killed_stops_no_run(place):
    write_shell(place, "echo $PPID > up; while [ ! -e go ]; do sleep 0.02; done")
    process = place.up("--run-id", "r")
    until(lambda: place.lines("up"))
    (guard,) = guards_of(process)
    os.kill(guard.pid, signal.SIGKILL)
    (place.folder / "go").touch()

    assert process.wait() == 0


@pytest.mark.slow
def test_a_run_that_has_only_waited_has_no_guard(place):
    place.write("""
        @workflow
        def flow(ctx):
            return Sequence(Approval("approval", title="?"), Task("work", lambda: None))
        """)
    process = place.up("--run-id", "r")
    process.until_text("approval asks")

    assert psutil.Process(process.popen.pid).children() == []


POOL = """
    from concurrent.futures import ProcessPoolExecutor
    import multiprocessing, subprocess

    def busy(_):
        Path("busy").touch()
        time.sleep(1000)

    def pool(method):
        with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context(method)) as workers:
            list(workers.map(busy, range(2)))

    def child():
        Path("busy").touch()
        subprocess.run(["sh", "-c", "sleep 1000; true"])

    @workflow
    def flow(ctx):
        return {what}
"""
STARTED = {
    "forked workers": 'Task("pool", pool, "fork")',
    "spawned workers": 'Task("pool", pool, "spawn")',
    "a task's command": 'Task("child", child)',
    "a command in another session": 'Shell("away", "setsid sleep 1000 & touch busy; wait")',
}


@pytest.mark.parametrize("how", ["kill", "SIGTERM", "down", "suspend"])
@pytest.mark.parametrize("what", STARTED)
def test_whatever_a_run_started_ends_with_its_process(place, what, how):
    place.write(POOL.replace("{what}", STARTED[what]))
    process = place.up("--run-id", "r")
    until((place.folder / "busy").exists)
    match how:
        case "kill":
            process.kill()
        case "SIGTERM":
            process.signal(signal.SIGTERM)
        case "down":
            assert place.run("down", "r")[0] == 0
        case "suspend":
            assert place.run("down", "r", "--suspend")[0] == 0
    process.wait()
    until(lambda: not place.processes_left())


def test_a_command_that_takes_too_long_ends_with_what_it_started_elsewhere(place):
    place.write("""
        @workflow
        def flow(ctx):
            return Shell("late", "setsid sh -c 'echo $$ >> started; sleep 1000' & wait", timeout=0.5, retries=1,
                         retry_delay=0)
        """)
    process = place.up("--run-id", "r")
    until(lambda: len(place.lines("started")) == 2)
    assert not is_alive(int(place.lines("started")[0])), "the second attempt meets the first"
    assert process.wait() == 1
    assert not place.processes_left()
