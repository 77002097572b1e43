"""The printer never waits for its reader, and loses nothing of what a living reader takes in the end."""

import io
import os
import threading

import pytest

from smithersd.cli.terminal import backlog
from smithersd.cli.terminal.printer import Printer
from smithersd.limits import BACKLOG_LENGTH_MAX
from tests.support.waiting import DEADLINE_S


class Slow(io.StringIO):
    """A stream whose reader rests until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.is_asked = threading.Event()

    def write(self, text: str) -> int:
        self.is_asked.set()
        assert self.may_go.wait(DEADLINE_S)
        return super().write(text)


class Gone(io.StringIO):
    """A stream whose reader has left."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


class Broken(io.StringIO):
    """A stream of an author."""

    def write(self, _: str) -> int:
        raise RuntimeError


LINE = "é" * (BACKLOG_LENGTH_MAX // 4) + "\n"


def until_read(printer: Printer) -> None:
    while printer.is_behind:
        threading.Event().wait(0.01)


def test_several_streams_keep_their_order() -> None:
    both = io.StringIO()
    printer = Printer()
    for number in range(100):
        printer.write(f"{number}\n", both)
    printer.close()
    assert both.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_what_a_reader_takes_late_is_kept_in_its_order() -> None:
    slow, other = Slow(), Slow()
    printer = Printer()
    printer.write("first\n", slow)
    assert slow.is_asked.wait(DEADLINE_S)
    for number in range(10):
        printer.write(f"{number}{LINE}", slow)
        printer.write(f"{number}\n", other)
    assert printer.is_behind
    slow.may_go.set()
    other.may_go.set()
    until_read(printer)
    printer.write("last\n", slow)
    printer.close()
    assert slow.getvalue() == "first\n" + "".join(f"{number}{LINE}" for number in range(10)) + "last\n"
    assert other.getvalue() == "".join(f"{number}\n" for number in range(10))


def test_what_there_is_no_room_for_is_left_out_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "BACKLOG_FILE_BYTES_MAX", 2 * len(LINE.encode()))
    slow = Slow()
    printer = Printer()
    printer.write("first\n", slow)
    assert slow.is_asked.wait(DEADLINE_S)
    for _ in range(10):
        printer.write(LINE, slow)
    slow.may_go.set()
    until_read(printer)
    printer.write("last\n", slow)
    printer.close()
    text = slow.getvalue()
    assert text.startswith("first\n")
    assert text.count(LINE) == 5  # three in memory, two in the file
    assert text.endswith("(5 lines were dropped: the output was not read)\nlast\n")


@pytest.mark.parametrize("stream", [Gone(), Broken()])
def test_a_reader_who_has_left_is_no_error(stream: io.StringIO) -> None:
    printer = Printer()
    printer.write("nobody\n", stream)
    kept = io.StringIO()
    printer.write("somebody\n", kept)
    printer.close()
    assert kept.getvalue() == "somebody\n"


def test_the_end_waits_for_the_reader_of_a_pipe() -> None:
    reading, writing = os.pipe()
    printer = Printer()
    text = LINE * 3
    with os.fdopen(writing, "w", encoding="utf-8") as stream:
        printer.write(text, stream)
        closing = threading.Thread(target=printer.close)
        closing.start()
        closing.join(2.5)
        assert closing.is_alive()
        with os.fdopen(reading, encoding="utf-8") as reader:
            assert reader.read(len(text)) == text
        closing.join(30)
        assert not closing.is_alive()
