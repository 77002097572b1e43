"""Gathering what is printed: order, sizes, limits."""

import asyncio
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.output.output_buffer import SPANS_MAX, FlushTimer, OutputBuffer
from smithersd.limits import NODE_OUTPUT_ATTEMPT_BYTES_MAX, NODE_OUTPUT_CHUNK_BYTES_MAX
from tests.support.waiting import DEADLINE_S


class SentNotifications(list[tuple[str, str, bool]]):
    def __call__(self, text, stream, is_truncated):
        self.append((text, stream, is_truncated))

    def text(self, stream):
        return "".join(text for text, where, _ in self if where == stream)


@pytest.fixture
async def timer():
    return FlushTimer(LoopBridge())


@given(
    writes=st.lists(
        st.tuples(st.sampled_from(["stdout", "stderr"]), st.text(max_size=5), st.integers(1, 20_000), st.booleans()),
        max_size=60,
    )
)
def test_each_stream_keeps_its_text_and_no_piece_is_too_large(writes):
    async def check():
        told = SentNotifications()
        output_buffer = OutputBuffer(FlushTimer(LoopBridge()), told)
        for stream, text, count, is_flushed in writes:
            output_buffer.add(text * count, stream)
            if is_flushed:
                output_buffer.flush()
        output_buffer.close()
        for name in ("stdout", "stderr"):
            assert told.text(name) == "".join(text * count for stream, text, count, _ in writes if stream == name)
        assert all(len(text.encode()) <= NODE_OUTPUT_CHUNK_BYTES_MAX for text, _, _ in told)
        assert not any(is_truncated for _, _, is_truncated in told)

    asyncio.run(check())


async def test_few_changes_of_the_stream_keep_their_order(timer):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    for text, stream in [("a\n", "stdout"), ("b\n", "stderr"), ("c\n", "stdout")]:
        output_buffer.add(text, stream)
    output_buffer.flush()

    assert told == [("a\n", "stdout", False), ("b\n", "stderr", False), ("c\n", "stdout", False)]


async def test_a_line_is_told_whole_if_its_end_comes_soon(timer):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    for text in ("one\ntw", "o\nthr", "ee\nfour"):
        output_buffer.add(text, "stdout")
        output_buffer.flush()
    assert [text for text, *_ in told] == ["one\n", "two\n", "three\n"]

    output_buffer.flush()
    assert told[-1] == ("four", "stdout", False)
    output_buffer.add(" and more", "stdout")
    output_buffer.close()
    assert told.text("stdout") == "one\ntwo\nthree\nfour and more"


async def test_a_line_without_an_end_is_told_by_itself(timer):
    told = SentNotifications()
    OutputBuffer(timer, told).add("name? ", "stdout")
    async with asyncio.timeout(DEADLINE_S):
        while not told:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0)
    assert told == [("name? ", "stdout", False)]


async def test_many_changes_of_the_stream_do_not_make_many_pieces(timer):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    for number in range(10_000):
        output_buffer.add(f"{number}\n", "stdout" if number % 2 else "stderr")
    output_buffer.flush()

    assert len(told) <= SPANS_MAX
    assert told.text("stdout") == "".join(f"{number}\n" for number in range(1, 10_000, 2))
    assert told.text("stderr") == "".join(f"{number}\n" for number in range(0, 10_000, 2))


async def test_a_large_text_is_cut_at_the_end_of_a_line(timer):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    lines = [f"{'é' * random.Random(number).randint(0, 200)}\n" for number in range(2_000)]
    output_buffer.add("".join(lines), "stdout")
    output_buffer.flush()

    assert len(told) > 2
    assert all(text.endswith("\n") for text, _, _ in told)
    assert told.text("stdout") == "".join(lines)


@pytest.mark.parametrize("character", ["x", "é", "\u2603", "\U0001f600"])
async def test_a_line_without_end_is_cut_between_characters_and_at_the_limit(timer, character):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    size_bytes = len(character.encode())
    output_buffer.add(character * (NODE_OUTPUT_ATTEMPT_BYTES_MAX // size_bytes + 5), "stdout")
    output_buffer.add("more", "stderr")
    output_buffer.add_bytes(b"more", "stderr")
    output_buffer.close()

    assert set(told.text("stdout")) == {character}
    assert NODE_OUTPUT_ATTEMPT_BYTES_MAX - len(told.text("stdout").encode()) < size_bytes
    assert told.text("stderr") == ""
    assert [is_truncated for *_, is_truncated in told].index(True) == len(told) - 1


async def test_a_text_that_fills_the_limit_exactly_is_not_truncated_until_more_comes(timer):
    told = SentNotifications()
    output_buffer = OutputBuffer(timer, told)
    output_buffer.add("x" * NODE_OUTPUT_ATTEMPT_BYTES_MAX, "stdout")
    output_buffer.flush()
    assert not any(is_truncated for *_, is_truncated in told)

    output_buffer.add("y", "stderr")
    output_buffer.flush()
    output_buffer.flush()
    assert told[-1] == ("", "stderr", True)
    assert [is_truncated for *_, is_truncated in told].count(True) == 1


async def test_one_timer_serves_all_and_none_runs_when_nothing_waits(timer, monkeypatch):
    loop = asyncio.get_running_loop()
    scheduled: list[float] = []
    call_later = loop.call_later

    def noting(delay_s: float, *arguments: Any, **options: Any) -> Any:
        scheduled.append(delay_s)
        return call_later(delay_s, *arguments, **options)

    told = [SentNotifications() for _ in range(50)]
    buffers = [OutputBuffer(timer, one) for one in told]
    async with asyncio.timeout(DEADLINE_S):
        with monkeypatch.context() as patched:
            patched.setattr(loop, "call_later", noting)
            for output_buffer in buffers:
                output_buffer.add("a", "stdout")
                output_buffer.add("b\n", "stdout")
            while not all(told):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0)

    assert told == [[("ab\n", "stdout", False)]] * 50
    assert len([delay_s for delay_s in scheduled if delay_s > 0]) == 1
