"""Signals to a daemon: what it ends and how, with all kinds of work under way."""

import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from tests.support.daemons import Daemon, DaemonPlace, children_of, command_of, is_alive
from tests.support.flows import WAITS
from tests.support.waiting import DEADLINE_S, until

INT, TERM = signal.SIGINT, signal.SIGTERM

BUSY = """
def is_deaf():
    Path("deaf").touch()
    while True: time.sleep(0.1)

async def waits():
    await asyncio.sleep(300)

@workflow(max_concurrency=10)
def busy(ctx):
    return Parallel(
        Task("deaf", is_deaf),
        Task("waits", waits),
        Shell("family", "sh -c 'sleep 1000 & sleep 1001' & sleep 1002 & touch family; wait"),
        Shell("stubborn", "trap '' TERM; touch stubborn; while true; do sleep 0.1; done"),
        Approval("approval", title="Go?"),
    )
"""


def busy(place: DaemonPlace) -> Daemon:
    """Start a daemon that has all kinds of tasks under way."""
    place.write(BUSY)
    daemon = place.serve("--run-id", "r")
    until(lambda: all((place.folder / name).exists() for name in ("deaf", "family", "stubborn")))
    until(lambda: len(children_of(daemon.pid)) >= 6, "the grandchildren")
    return daemon


@contextmanager
def streams(daemon: Daemon, count: int) -> Iterator[list[socket.socket]]:
    """Follow a run's events from many clients, half of which never read."""
    assert daemon.url is not None
    address = urlsplit(daemon.url)
    with ExitStack() as opened:
        sockets = []
        for _ in range(count):
            client = opened.enter_context(
                socket.create_connection((address.hostname, address.port), timeout=DEADLINE_S)
            )
            client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
            sockets.append(client)
        for client in sockets[: count // 2]:
            assert client.recv(12) == b"HTTP/1.1 200"
        yield sockets


@pytest.mark.parametrize(
    ("number", "status"), [pytest.param(INT, "cancelled", marks=pytest.mark.slow), (TERM, "suspended")]
)
def test_with_deaf_threads_families_and_two_hundred_streams_it_ends(
    place: DaemonPlace, number: signal.Signals, status: str
) -> None:
    daemon = busy(place)
    family = children_of(daemon.pid)
    with streams(daemon, 200) as clients:
        daemon.signal(number)
        daemon.until_ended()
        data = bytearray()
        while part := clients[0].recv(65536):
            data += part
        last = "RunCancelled" if number is INT else "RunSuspended"
        assert f'"type":"{last}"'.encode() in data, "streams get the last events before they are closed"
    assert place.status("r") == status
    assert not any(map(is_alive, family))
    assert place.has_nothing_of("r")


@pytest.mark.parametrize(("number", "status"), [(INT, "cancelled"), (TERM, "suspended")])
def test_a_second_signal_ends_it_at_once_and_the_run_can_be_taken_up(
    place: DaemonPlace, number: signal.Signals, status: str
) -> None:
    daemon = busy(place)
    daemon.signal_until_ended(number)
    said = place.call("down", "r", *(() if number is INT else ("--suspend",)))
    assert said.code == 0
    assert place.status("r") == status
    assert place.has_nothing_of("r")


@pytest.mark.parametrize("number", [INT, pytest.param(TERM, marks=pytest.mark.slow)])
def test_a_loop_that_is_blocked_ends_with_the_second_signal(place: DaemonPlace, number: signal.Signals) -> None:
    place.write("""
        async def blocks():
            Path("began").touch()
            time.sleep(300)

        @workflow
        def blocking(ctx):
            return Task("blocks", blocks)
        """)
    daemon = place.detach("--run-id", "r")
    until((place.folder / "began").exists)
    daemon.signal_until_ended(number)


def test_suspended_by_sigterm_it_goes_on_with_nothing_done_twice(place: DaemonPlace) -> None:
    place.write("""
        def note(name):
            with open("done", "a") as file: print(name, file=file)

        @workflow
        def noting(ctx):
            return Sequence(Task("one", note, "one"), Approval("approval", title="Go?"), Task("two", note, "two"))
        """)
    daemon = place.serve("--run-id", "r")
    daemon.until_log("asks")
    daemon.signal(TERM)
    daemon.until_ended()
    assert place.status("r") == "suspended"
    again = place.serve("--resume")
    assert again.request("/approve/approval", {})[0] == 200
    until(lambda: place.status("r") == "finished")
    assert place.lines("done") == ["one", "two"]
    assert again.log.count("run started") == 1, "a resumption goes on in the same log"
    assert again.log.count("run resumed") == 1


def test_a_kill_ends_the_commands_of_tasks_with_their_families(place: DaemonPlace) -> None:
    place.write("""
        @workflow
        def family(ctx):
            return Shell("family", "[ -e again ] && exit 0; sleep 1000 & echo $! > child; touch again; wait")
        """)
    daemon = place.detach("--run-id", "r")
    until((place.folder / "again").exists)
    child = int(place.lines("child")[0])
    # A fork that is about to become `sleep` or `touch` is called sh too.
    [shell] = until(lambda: [one for one in children_of(daemon.pid) if command_of(one) == "sh" and one != child])
    daemon.kill()
    until(lambda: not is_alive(shell), "the end of the command")
    until(lambda: not is_alive(child), "the end of its family")
    resumed = place.detach("--resume")
    resumed.until_ended()
    assert place.status("r") == "finished"


def test_sighup_without_a_terminal_or_a_log_does_nothing(place: DaemonPlace) -> None:
    place.write(WAITS)
    up = place.start_in_session("up", "flow.py", "--run-id", "r")
    until(lambda: place.types_of("r"), "the run")
    up.send_signal(signal.SIGHUP)
    assert place.call("approve", "r").code == 0
    assert up.wait(DEADLINE_S) == 0
    assert place.status("r") == "finished"


@pytest.mark.parametrize("flags", [(), ("--log-file", "my.log")])
def test_a_run_in_a_terminal_that_goes_away_is_suspended(place: DaemonPlace, flags: tuple[str, ...]) -> None:
    place.write(WAITS)
    up, terminal = place.start_in_terminal("up", "flow.py", "--run-id", "r", *flags)
    until(lambda: place.types_of("r"), "the run")
    terminal.close()
    assert up.wait(DEADLINE_S) == 143
    assert place.status("r") == "suspended"


def test_with_nohup_it_goes_on_when_the_terminal_goes_away(place: DaemonPlace) -> None:
    place.write(WAITS)
    up, terminal = place.start_in_terminal("up", "flow.py", "--run-id", "r", ignored=signal.SIGHUP)
    until(lambda: place.types_of("r"), "the run")
    terminal.close()
    assert place.call("approve", "r").code == 0
    assert up.wait(DEADLINE_S) == 0
    assert place.status("r") == "finished"


def test_a_daemon_goes_on_when_the_terminal_goes_away(place: DaemonPlace) -> None:
    place.write(WAITS)
    up, terminal = place.start_in_terminal("up", "flow.py", "-d", "--run-id", "r")
    assert up.wait(DEADLINE_S) == 0
    terminal.close()
    assert place.call("approve", "r").code == 0
    until(lambda: place.status("r") == "finished")
