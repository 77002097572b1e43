"""What a person sees in a real terminal while `up` runs."""

import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.flows import HOLDS_LOOP
from tests.support.place import SMITHERS, Place
from tests.support.waiting import DEADLINE_S, until

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
COLOR = re.compile(r"\x1b\[[0-9;]*3[0-9]m")


class Terminal:
    """A process in a terminal of its own; `raw` is everything that it drew."""

    def __init__(self, place: Place, *arguments: str, width: int = 80, height: int = 24, **env: str) -> None:
        self.raw = ""
        self._is_reading = True
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.popen = subprocess.Popen(
            (*SMITHERS, *arguments),
            cwd=place.folder,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "xterm-256color", **env},
        )
        os.close(slave)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def text(self) -> str:
        return ESCAPES.sub("", self.raw).replace("\r", "")

    def until_text(self, text: str) -> None:
        until(lambda: text in self.text, lambda: f"{text!r} in\n{self.text}")

    def stop_reading(self) -> None:
        """As Ctrl+S does: what is drawn from now on stays unread."""
        self._is_reading = False

    def wait(self) -> int:
        code = self.popen.wait(DEADLINE_S)
        self._reader.join(5)
        return code

    def end(self) -> None:
        self.popen.kill()
        self.wait()
        os.close(self._master)

    def _read(self) -> None:
        with suppress(OSError):  # the last process has closed its side
            while self._is_reading and (data := os.read(self._master, 65_536)):
                self.raw += data.decode(errors="replace")


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.end()


FLOW = """
async def upload():
    for part in range(5):
        task_context().progress(part, 5, "uploading")
        print("part", part)
        await asyncio.sleep(0.3)

@workflow
def release(ctx):
    return Sequence(Parallel(Task("upload", upload), Approval("approval", title="Ship it?")), Task("last", int))

@workflow
def wide(ctx):
    return Parallel(*(Task(f"task-{n}", int) for n in range(1000)), Approval("approval", title="Go?"))
"""


def test_nodes_waits_with_their_command_progress_and_output_show(place: Place, terminals: list[Terminal]) -> None:
    place.write(FLOW)
    terminal = Terminal(place, "up", "flow.py:release", "--run-id", "r")
    terminals.append(terminal)
    for shown in (
        "● upload",
        "? approval",
        "Ship it?",
        "smithers approve r --node approval",
        "upload | part 3",
        "3/5 uploading",
    ):
        terminal.until_text(shown)
    assert place.run("approve", "r")[0] == 0
    assert terminal.wait() == 0
    assert "✓ last" in terminal.text
    assert "Run finished" in terminal.text
    assert COLOR.search(terminal.raw)
    assert terminal.text.count("part 3") == 1
    _assert_cursor_shows(terminal)


def test_control_c_cancels_and_leaves_a_clean_terminal(place: Place, terminals: list[Terminal]) -> None:
    place.write(FLOW)
    terminal = Terminal(place, "up", "flow.py:release", "--run-id", "r")
    terminals.append(terminal)
    terminal.until_text("● upload")
    os.killpg(terminal.popen.pid, signal.SIGINT)
    assert terminal.wait() == 130
    assert "smithers up flow.py:release --from r" in terminal.text
    assert "Traceback" not in terminal.text
    _assert_cursor_shows(terminal)


def test_a_forced_end_shows_the_cursor_too(place: Place, terminals: list[Terminal]) -> None:
    place.write("""
        async def blocks(): time.sleep(300)

        @workflow
        def blocked(ctx): return Sequence(Task("first", int), Approval("approval", title="Go?"), Task("blocks", blocks))
        """)
    terminal = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(terminal)
    terminal.until_text("smithers approve r")
    place.run("approve", "r")
    until(lambda: "NodeStarted" in place.types("r")[-2:])

    def is_ended() -> bool:
        terminal.popen.send_signal(signal.SIGINT)
        return terminal.popen.poll() is not None

    until(is_ended)
    assert terminal.wait() == 130
    _assert_cursor_shows(terminal)


def test_a_thousand_nodes_do_not_flood_a_small_terminal(place: Place, terminals: list[Terminal]) -> None:
    place.write(FLOW)
    terminal = Terminal(place, "up", "flow.py:wide", "--run-id", "r", width=40, height=12)
    terminals.append(terminal)
    terminal.until_text("1000 finished")
    terminal.until_text("--node approval")
    assert place.run("approve", "r")[0] == 0
    assert terminal.wait() == 0
    # A redraw goes up by as many lines as it has: never more than the screen.
    assert all(screen.count("\x1b[1A") <= 12 for screen in terminal.raw.split("\n"))
    assert len(terminal.raw) < 100_000


def test_no_color_is_honoured(place: Place, terminals: list[Terminal]) -> None:
    place.write(FLOW)
    terminal = Terminal(place, "up", "flow.py:wide", "--run-id", "r", "--no-wait", NO_COLOR="1")
    terminals.append(terminal)
    assert terminal.wait() == 3
    assert not COLOR.search(terminal.raw)


def test_a_dumb_terminal_gets_plain_lines(place: Place, terminals: list[Terminal]) -> None:
    place.write(FLOW)
    terminal = Terminal(place, "up", "flow.py:release", "--run-id", "r", TERM="dumb")
    terminals.append(terminal)
    terminal.until_text("upload | part 3")
    terminal.popen.terminate()
    assert terminal.wait() == 143
    assert "\x1b" not in terminal.raw


def test_whoever_reads_stdin_in_a_task_meets_its_end(place: Place, terminals: list[Terminal]) -> None:
    place.write("""
        import subprocess

        def ask(): return input("name? ")

        def child(): return subprocess.run(["wc", "-c"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()

        def python():
            code = "import os, sys; print(repr(sys.stdin.read()), os.isatty(0))"
            return subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout

        async def descriptor(): return repr(os.read(0, 10))

        @workflow
        def asking(ctx):
            work = (child, python, descriptor)
            others = [Task(one.__name__, one, output=str) for one in work] + [Shell("shell", "wc -c")]
            return Sequence(Task("ask", ask, continue_on_fail=True), *(Sequence(one, Task(f"say-{one.id}", print, one))
                for one in others))
        """)
    terminal = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(terminal)
    assert terminal.wait() == 0, terminal.text
    assert "EOFError" in terminal.text
    for said in ("say-child | 0", "say-python | '' False", "say-descriptor | b''", "say-shell | 0"):
        assert said in terminal.text


@pytest.mark.parametrize("redirection", ["", "<&-", "< flow.py"])
@pytest.mark.parametrize("detach", ["", "-d"])
def test_stdin_is_empty_wherever_it_comes_from(place: Place, redirection: str, detach: str) -> None:
    place.write("""
        def ask():
            with open("said", "w") as said:
                try: print(input(), file=said)
                except EOFError: print("end", os.readlink("/proc/self/fd/0"), file=said)

        @workflow
        def asking(ctx): return Task("ask", ask)
        """)
    command = f"exec {SMITHERS[0]} -m smithersd up flow.py --run-id r {detach} {redirection}"
    subprocess.run(("sh", "-c", command), cwd=place.folder, check=True, stdout=subprocess.DEVNULL)
    until(lambda: place.types("r")[-1:] == ["RunFinished"], "the run's end")
    assert place.lines("said") == ["end /dev/null"]


def test_what_child_processes_print_stands_whole_above_the_drawing(place: Place, terminals: list[Terminal]) -> None:
    place.write("""
        import subprocess

        def children():
            for number in range(3):
                subprocess.run(f"echo child {number}; echo complaint {number} >&2; sleep 0.3", shell=True, check=True)
            subprocess.run("test -t 1 || test -t 2 || printf 'no terminal'", shell=True, check=True)
            os.write(1, b"\\nfrom C: \\x1b[2J\\n")

        @workflow
        def parents(ctx): return Sequence(Task("children", children), Task("flood", flood))

        def flood(): subprocess.run(["seq", "-f", "line %.0f", "20000"], check=True)
        """)
    terminal = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(terminal)
    assert terminal.wait() == 0
    for line in (*(f"{what} {n}\n" for what in ("child", "complaint") for n in range(3)), "no terminal\n"):
        assert terminal.text.count(line) == 1
    assert "from C: \\x1b[2J\n" in terminal.text
    assert re.findall(r"line (\d+)\n", terminal.text) == [str(n) for n in range(1, 20_001)]
    _assert_cursor_shows(terminal)


def test_what_a_child_process_prints_last_is_not_lost_in_a_forced_end(place: Place, terminals: list[Terminal]) -> None:
    place.write("""
        import subprocess

        async def blocks():
            subprocess.run("echo last words; touch said", shell=True, check=True)
            time.sleep(300)

        @workflow
        def blocked(ctx): return Task("blocks", blocks)
        """)
    terminal = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(terminal)
    until((place.folder / "said").exists)

    def is_ended() -> bool:
        terminal.popen.send_signal(signal.SIGINT)
        return terminal.popen.poll() is not None

    until(is_ended)
    assert terminal.wait() == 130
    assert terminal.text.count("last words") == 1
    _assert_cursor_shows(terminal)


def test_a_stopped_terminal_holds_up_no_run(place: Place, terminals: list[Terminal]) -> None:
    place.write("""
        async def chatter():
            for number in range(60):
                print("x" * 5_000)
                await asyncio.sleep(0.01)

        @workflow
        def talking(ctx): return Sequence(Task("chatter", chatter), Task("last", int))
        """)
    terminal = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(terminal)
    terminal.stop_reading()
    until(lambda: place.types("r")[-1:] == ["RunFinished"], "the run's end")
    assert terminal.popen.wait(DEADLINE_S) == 0


def _assert_cursor_shows(terminal: Terminal) -> None:
    assert terminal.raw.rfind(SHOW_CURSOR) > terminal.raw.rfind(HIDE_CURSOR) > -1


def test_a_task_that_holds_the_loop_is_named_while_it_does(place: Place, terminals: list[Terminal]) -> None:
    place.write(HOLDS_LOOP)
    up = Terminal(place, "up", "flow.py", "--run-id", "r")
    terminals.append(up)
    up.until_text("by task 'holds'")
    (place.folder / "go").touch()
    assert up.wait() == 0
