"""Lines above the drawing: whole, in the order in which they came, and up to the last one."""

import os
import subprocess
import threading
from pathlib import Path

from rich.style import Style
from rich.text import Text

from smithersd.cli.terminal.live_region import LiveRegion
from smithersd.cli.terminal.stray_output import StrayOutput
from smithersd.cli.terminal.streams import Streams
from tests.support.waiting import DEADLINE_S


class SlowLine(Text):
    """A line whose printing lasts until another thread is through, if that does not wait for it."""

    __slots__ = ("is_begun", "is_other_through")

    def __init__(self, text: str) -> None:
        self.is_begun = threading.Event()
        self.is_other_through = threading.Event()
        super().__init__(text)

    @property
    def style(self) -> Style:
        if self.is_begun is not None:
            self.is_begun.set()
            self.is_other_through.wait(0.5)
        return Style()

    @style.setter
    def style(self, _: object) -> None:
        pass


def test_what_came_later_is_printed_later_also_by_another_thread(tmp_path: Path) -> None:
    slow = SlowLine("first")
    with (tmp_path / "out").open("w") as out:
        region = LiveRegion(Streams(out, None))
        try:
            first = threading.Thread(target=region.print, args=([slow],))
            first.start()
            assert slow.is_begun.wait(DEADLINE_S)
            region.print([Text("second")])
            slow.is_other_through.set()
            first.join()
        finally:
            region.close()
    assert (tmp_path / "out").read_text().split() == ["first", "second"]


def test_the_end_waits_until_all_that_was_written_is_shown(tmp_path: Path) -> None:
    shown: list[str] = []
    is_slow = threading.Event()

    def show(lines: list[str]) -> None:
        is_slow.wait(0.1)  # for each piece, as under load
        shown.extend(lines)

    with (tmp_path / "out").open("wb") as out:
        stray = StrayOutput([out.fileno()], show)
        for number in range(100):
            os.write(out.fileno(), b"x" * 8_000 + b" %d\n" % number)
        stray.restore()
        os.write(out.fileno(), b"after")
    assert [int(line.split()[1]) for line in shown] == list(range(100))
    assert (tmp_path / "out").read_bytes() == b"after"


def test_the_end_does_not_wait_for_a_process_that_writes_for_ever(tmp_path: Path) -> None:
    is_begun = threading.Event()
    with (tmp_path / "out").open("wb") as out:
        stray = StrayOutput([out.fileno()], lambda _: is_begun.set())
        with subprocess.Popen(["yes"], stdout=out) as endless:
            try:
                assert is_begun.wait(DEADLINE_S)
                stray.restore()
            finally:
                endless.kill()
    assert (tmp_path / "out").read_bytes() == b""
