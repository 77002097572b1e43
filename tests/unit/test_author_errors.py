"""What is said of an exception of author code: where, what is noted, what caused it, what a group holds."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from smithersd.author_errors import CAUSES_MAX, LEAVES_MAX, describe, place_of
from smithersd.errors import MESSAGE_LENGTH_MAX

HERE = r"tests/unit/test_author_errors\.py"


def raised_by(function: Callable[[], Any]) -> BaseException:
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - of any kind
        return error
    raise AssertionError("it raised nothing")


def fail(text: str) -> None:
    raise ValueError(text)


def test_the_innermost_line_of_the_authors_code_is_named() -> None:
    def outer() -> None:
        fail("no")

    assert re.fullmatch(rf"no \({HERE}:\d+ in fail\)", describe(raised_by(outer)))


def test_lines_of_libraries_are_not_the_authors() -> None:
    def parse() -> None:
        json.loads("{")

    assert re.fullmatch(rf"{HERE}:\d+ in parse", place_of(raised_by(parse)) or "")
    assert place_of(ValueError("never raised")) is None


def test_an_error_without_a_message_is_known_by_its_name() -> None:
    def stop() -> None:
        raise TimeoutError

    assert re.fullmatch(rf"TimeoutError \({HERE}:\d+ in stop\)", describe(raised_by(stop)))


def test_notes_and_causes_are_told() -> None:
    def load() -> None:
        try:
            fail("inner")
        except ValueError as error:
            wrapped = RuntimeError("outer")
            wrapped.add_note("while loading x")
            raise wrapped from error

    first, note, cause = describe(raised_by(load)).splitlines()
    assert first.startswith("outer (")
    assert note == "while loading x"
    assert re.fullmatch(rf"caused by ValueError: inner \({HERE}:\d+ in fail\)", cause)


def test_what_was_being_handled_is_told_unless_it_is_suppressed() -> None:
    def again(cause: BaseException | None, *, is_suppressed: bool) -> None:
        try:
            fail("inner")
        except ValueError:
            if is_suppressed:
                raise RuntimeError("outer") from cause
            raise RuntimeError("outer")  # noqa: B904

    text = describe(raised_by(lambda: again(None, is_suppressed=False)))
    assert "\nwhile handling ValueError: inner (" in text
    assert "inner" not in describe(raised_by(lambda: again(None, is_suppressed=True)))


def test_the_leaves_of_a_group_are_told_with_their_places_however_deep() -> None:
    async def boom(text: str) -> None:
        fail(text)

    async def both() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(boom("disk full"))
            group.create_task(nested())

    async def nested() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(boom("host refused"))

    lines = describe(raised_by(lambda: asyncio.run(both()))).splitlines()
    assert "2 sub-exceptions" in lines[0]
    assert re.fullmatch(rf"- ValueError: disk full \({HERE}:\d+ in fail\)", lines[1])
    assert re.fullmatch(rf"- ValueError: host refused \({HERE}:\d+ in fail\)", lines[2])


def test_what_is_told_is_bounded() -> None:
    many = ExceptionGroup("many", [ValueError(n) for n in range(LEAVES_MAX + 7)])
    assert describe(many).splitlines()[-1] == "- and 7 more"
    long = raised_by(lambda: fail("x" * 100_000))
    assert len(describe(long)) <= MESSAGE_LENGTH_MAX
    assert describe(long).endswith("in fail)")
    first = last = ValueError("0")
    for number in range(100):
        last.__cause__ = last = ValueError(str(number))
    assert len(describe(first).splitlines()) == 1 + CAUSES_MAX
    first.__cause__ = first
    assert describe(first) == "0"


@pytest.mark.parametrize("notes", [[object()], "text", None, [ValueError]])
def test_odd_notes_and_messages_are_no_error(notes: Any) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    error = Mute()
    error.__notes__ = notes
    assert describe(error).startswith("(its message could not be read)")


def test_a_message_that_utf8_cannot_hold_is_replaced() -> None:
    assert describe(ValueError("a\udc80b")) == "a?b"
