"""The printer never waits for its reader."""

import io
import threading

from smithersd.cli.printer import UNREAD_MAX, Printer


class Slow(io.StringIO):
    """A stream whose reader rests until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()
        self.is_asked = threading.Event()

    def write(self, text: str) -> int:
        self.is_asked.set()
        assert self.may_go.wait(30)
        return super().write(text)


class Gone(io.StringIO):
    """A stream whose reader has left."""

    def write(self, _: str) -> int:
        raise BrokenPipeError


def test_several_streams_keep_their_order() -> None:
    both = io.StringIO()
    printer = Printer()
    for number in range(100):
        printer.write(f"{number}\n", both)
    printer.close()
    assert both.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_what_a_resting_reader_cannot_take_is_left_out_and_that_is_said() -> None:
    slow = Slow()
    printer = Printer()
    printer.write("first\n", slow)
    assert slow.is_asked.wait(30)
    line = "x" * (UNREAD_MAX // 4) + "\n"
    for _ in range(10):
        printer.write(line, slow)
    assert printer.is_behind
    slow.may_go.set()
    while printer.is_behind:
        threading.Event().wait(0.01)
    printer.write("last\n", slow)
    printer.close()
    text = slow.getvalue()
    assert text.startswith("first\n")
    assert text.endswith("(7 lines were left out: nobody read them)\nlast\n")


def test_a_reader_who_has_left_is_no_error() -> None:
    printer = Printer()
    printer.write("nobody\n", Gone())
    kept = io.StringIO()
    printer.write("somebody\n", kept)
    printer.close()
    assert kept.getvalue() == "somebody\n"
