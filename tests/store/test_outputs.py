"""Outputs: one for each node and iteration, whatever JSON they are."""

import json

import pytest

from smithersd.limits import OUTPUT_BYTES_MAX, OUTPUT_SMALL_LENGTH
from smithersd.store import Store
from tests.store.rows import NOW_MS, begin, event, output, step


async def test_outputs_come_back_as_they_were(store: Store) -> None:
    await store.commit(begin())
    rows = (output("b", '{"a": "\\u0000"}'), output("a", "null", at_ms=NOW_MS + 1), output("a", "2", iteration=1))
    await store.commit(step("run-1", event(1), outputs=rows))
    assert await store.outputs("run-1") == [rows[2], rows[0], rows[1]]
    assert await store.output("run-1", "b", 0) == '{"a": "\\u0000"}'
    assert await store.output("run-1", "a", 1) == "2"


@pytest.mark.parametrize(
    ("iteration", "shown"),
    [pytest.param(2, '"of 2"', id="the-same-iteration"), pytest.param(1, '"of 3"', id="else-the-latest")],
)
async def test_an_approval_is_shown_the_output_of_its_own_iteration_else_the_latest(
    store: Store, iteration: int, shown: str
) -> None:
    await store.commit(begin())
    rows = tuple(output("draft", f'"of {number}"', iteration=number) for number in (0, 2, 3))
    await store.commit(step("run-1", event(1), outputs=(*rows, output("other", iteration=1))))
    assert await store.shown_output("run-1", "draft", iteration) == shown


async def test_an_approval_is_shown_nothing_of_a_node_without_an_output(store: Store) -> None:
    await store.commit(begin())
    await store.commit(step("run-1", event(1), outputs=(output("other"),)))
    assert await store.shown_output("run-1", "draft", 0) is None


@pytest.mark.parametrize("key", [("run-1", "a", 1), ("run-1", "a\0", 0), ("run-2", "a", 0), ("run-1", "a", 2**40)])
async def test_an_output_that_is_not_there_is_none(store: Store, key: tuple[str, str, int]) -> None:
    await store.commit(begin())
    await store.commit(step("run-1", event(1), outputs=(output("a"),)))
    assert await store.output(*key) is None


async def test_an_output_of_10_mib_is_kept_whole(store: Store) -> None:
    text = json.dumps("x" * (OUTPUT_BYTES_MAX - 2))
    await store.commit(begin())
    await store.commit(step("run-1", event(1), outputs=(output("a", text),)))
    assert await store.output("run-1", "a", 0) == text


async def test_small_outputs_are_read_together_as_many_as_memory_is_to_hold(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = tuple(output(f"small {number}", json.dumps("x" * OUTPUT_SMALL_LENGTH)[2:]) for number in range(3))
    await store.commit(begin())
    await store.commit(step("run-1", event(1), outputs=(*small, output("large", "x" * (OUTPUT_SMALL_LENGTH + 1)))))
    assert sorted(row.node_id for row in await store.small_outputs("run-1")) == ["small 0", "small 1", "small 2"]
    monkeypatch.setattr("smithersd.store.reading.OUTPUTS_HELD_BYTES_MAX", 2 * OUTPUT_SMALL_LENGTH)
    assert len(await store.small_outputs("run-1")) == 2
