"""What a process tells the service manager that started it, and what it takes from it: real processes, real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress

import pytest

from tests.support.place import Place, clean_environment, request
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, until

APPROVAL = """
    @workflow
    def flow(ctx):
        return Sequence(Task("work", lambda: None), Approval("approval", title="Go on?"))
    """


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.write(APPROVAL)
    yield made
    made.end()


class Hearing:
    """A service manager's ears."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self.heard: list[str] = []

    def until(self, line: str) -> list[str]:
        """Wait for a line; return all that came before it."""
        until(lambda: line in self.heard or self._hear(), lambda: f"{line!r} after {self.heard}")
        return self.heard[: self.heard.index(line)]

    def rest(self) -> list[str]:
        """Return all that came, when nothing more is to come."""
        self._socket.settimeout(0)
        with suppress(BlockingIOError):
            while True:
                self._hear()
        return self.heard

    def _hear(self) -> None:
        self.heard += self._socket.recv(4096).decode().split("\n")


@contextmanager
def hearing(address):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.settimeout(DEADLINE_S)
        sock.bind(address)
        yield Hearing(sock)


@pytest.mark.parametrize("is_abstract", [False, True])
def test_readiness_status_and_end_are_told_in_this_order(place, is_abstract):
    name = f"smithersd-test-{os.getpid()}" if is_abstract else str(place.folder / "notify")
    with hearing(f"\0{name}" if is_abstract else name) as manager:
        address = f"@{name}" if is_abstract else name
        process = place.up("--run-id", "r", "--serve", "--port", "0", NOTIFY_SOCKET=address)
        manager.until("READY=1")
        assert process.request("/health") == (200, {"ok": True})
        manager.until("STATUS=waiting-approval, pending approvals: approval")
        process.request("/approve/approval", {})
        manager.until("STATUS=finished")
        process.signal(signal.SIGTERM)
        assert "READY=1" in manager.until("STOPPING=1")
        assert process.wait() == 0


def test_a_standby_is_ready_and_says_whom_it_waits_for(place):
    driver = place.up("--run-id", "r")
    driver.until_text("smithers approve")
    name = str(place.folder / "notify")
    standby = ("--run-id", "r", "--standby", "--pid-file", "second.pid")
    with hearing(name) as manager:
        process = place.up(*standby, NOTIFY_SOCKET=name, WATCHDOG_USEC="200000")
        manager.until("READY=1")
        who = f"process {driver.popen.pid} on {socket.gethostname()}"
        manager.until(f"STATUS=standing by, {who} drives the run")
        manager.heard.clear()
        manager.until("WATCHDOG=1")
        driver.kill()
        manager.until("STATUS=waiting-approval, pending approvals: approval")
        process.signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert manager.heard.count("READY=1") == 0, "it was ready before"


def test_a_workflow_that_cannot_begin_is_never_ready(place):
    place.write("import nothing_of_this_name")
    with hearing(str(place.folder / "notify")) as manager:
        code, _ = place.run("up", "flow.py", NOTIFY_SOCKET=str(place.folder / "notify"))
        heard = manager.rest()

    assert code == 4
    assert heard in ([], ["STOPPING=1"])


def test_a_reload_is_told(place):
    with hearing(str(place.folder / "notify")) as manager:
        process = place.up("--log-file", "run.log", NOTIFY_SOCKET=str(place.folder / "notify"))
        manager.until("READY=1")
        process.signal(signal.SIGHUP)
        manager.until("RELOADING=1")
        manager.heard.remove("READY=1")
        assert any(line.startswith("MONOTONIC_USEC=") for line in manager.until("READY=1"))


def test_the_watchdog_is_fed_while_the_loop_is_free(place):
    with hearing(str(place.folder / "notify")) as manager:
        place.up(NOTIFY_SOCKET=str(place.folder / "notify"), WATCHDOG_USEC="100000")
        for _ in range(3):
            manager.until("WATCHDOG=1")
            manager.heard.clear()


def test_a_watchdog_of_another_process_is_not_fed(place):
    with hearing(str(place.folder / "notify")) as manager:
        process = place.up(NOTIFY_SOCKET=str(place.folder / "notify"), WATCHDOG_USEC="100000", WATCHDOG_PID="1")
        manager.until("READY=1")
        process.signal(signal.SIGTERM)
        assert "WATCHDOG=1" not in manager.until("STOPPING=1")


def test_a_manager_that_is_not_there_stops_no_run(place):
    code, text = place.run("up", "flow.py", "--no-wait", NOTIFY_SOCKET="/no/such/socket", WATCHDOG_USEC="1000")

    assert code == 3, text


@contextmanager
def activated(place, *arguments, sock, pid="$$"):
    """A process that was handed a socket, as systemd does it."""
    script = f'exec 3<&{sock.fileno()} {sock.fileno()}<&-; export LISTEN_FDS=1 LISTEN_PID={pid}; exec "$@"'
    command = ["bash", "-c", script, "bash", sys.executable, "-m", "smithersd", "up", "flow.py", *arguments]
    with subprocess.Popen(
        command, cwd=place.folder, env=clean_environment(), pass_fds=[sock.fileno()],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_a_socket_that_was_passed_is_served(place, listener):
    with activated(place, "--serve", sock=listener):
        assert request(f"http://127.0.0.1:{listener.getsockname()[1]}/health") == (200, {"ok": True})


def test_who_waits_at_a_socket_is_turned_away_when_the_workflow_cannot_begin(place, listener):
    """A connection that went on waiting would have the service started again and again."""
    place.write("import nothing_of_this_name")
    with socket.create_connection(listener.getsockname(), timeout=DEADLINE_S) as client:
        client.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with activated(place, "--serve", sock=listener) as process:
            answer = client.makefile("rb").read()
            assert process.wait(DEADLINE_S) == 4
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b'"code":"NOT_READY"' in answer
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_a_socket_that_was_passed_to_another_process_is_left_alone(place, listener):
    with activated(place, "--serve", "--port", "0", sock=listener, pid="1") as process:
        lines = iter(process.stdout)
        serving = next(line for line in lines if line.startswith("Serving at"))

    assert str(listener.getsockname()[1]) not in serving


def test_what_is_no_listening_socket_is_refused(place):
    with socket.socket() as sock, activated(place, "--serve", sock=sock) as process:
        said, _ = process.communicate(timeout=DEADLINE_S)

    assert process.returncode == 4
    assert "is not a listening stream socket" in said


def test_a_credential_wins_over_the_environment_and_the_flag_over_both(place):
    (place.folder / "auth-token").write_text("from-credential\n")
    given = {"CREDENTIALS_DIRECTORY": str(place.folder), "SMITHERS_API_KEY": "from-environment"}
    by_credential = place.up("--serve", "--port", "0", **given)
    by_flag = place.up("--serve", "--port", "0", "--auth-token", "from-flag", **given)

    for process, token in ((by_credential, "from-credential"), (by_flag, "from-flag")):
        assert process.request("/", authorization=f"Bearer {token}")[0] == 200
        assert process.request("/", authorization="Bearer from-environment")[0] == 401


@pytest.mark.parametrize("given", ["environment", "credential"])
def test_an_empty_token_is_an_error_and_never_no_token(place, given):
    (place.folder / "auth-token").write_text("\n")
    env = {"SMITHERS_API_KEY": ""} if given == "environment" else {"CREDENTIALS_DIRECTORY": str(place.folder)}
    code, text = place.run("up", "flow.py", "--serve", "--port", "0", **env)

    assert (code, "token is empty" in text) == (4, True)


def test_nothing_of_it_reaches_the_workflow_nor_its_forks(place):
    names = ("SMITHERS_API_KEY", "SMITHERS_STORE", "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID")
    place.write(f"""
        import json, multiprocessing

        def look(found):
            block = Path("/proc/self/environ").read_bytes().decode()
            found.send([name for name in {names!r} if name in os.environ] + ["sesame" in block, "PATH=" in block])

        here, there = multiprocessing.Pipe()
        look(there)
        multiprocessing.get_context("fork").Process(target=look, args=(there,)).start()
        Path("found").write_text(json.dumps([here.recv(), here.recv()]))
        """)
    given = dict.fromkeys(names, "1") | {"SMITHERS_API_KEY": "sesame", "SMITHERS_STORE": "postgresql://ada:sesame@db/r"}
    place.run("up", "flow.py", **given)

    assert json.loads((place.folder / "found").read_text()) == [[False, True], [False, True]]


def test_a_store_that_is_away_is_waited_for_with_more_time_for_the_start(place):
    address = str(place.folder / "notify")
    with hearing(address) as manager:
        url = f"postgresql://nobody@127.0.0.1:{free_port()}/nowhere"
        process = place.up("--run-id", "r", "--store", url, NOTIFY_SOCKET=address)
        said = manager.until("EXTEND_TIMEOUT_USEC=60000000")
        assert "READY=1" not in said
        process.until_text("Waiting until the store answers.")
        process.signal(signal.SIGTERM)
        assert process.wait() == 143
        heard = manager.until("STOPPING=1")
    assert any(line.startswith("STATUS=waiting for the store: ") for line in heard)
