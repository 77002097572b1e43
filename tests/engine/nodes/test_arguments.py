"""What an attempt receives: copies of its own, outputs in the places of elements, read where its code runs."""

import asyncio
import dataclasses
import datetime as dt
import enum
import functools
import threading
import uuid
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple

import pytest
from pydantic import BaseModel, ValidationInfo, field_validator

from smithersd import Context, Parallel, Sequence, Shell, Store, Task, Workflow, task_context, workflow
from smithersd.core.log import events
from smithersd.core.log.states import RunStatus
from smithersd.errors import WorkflowError
from smithersd.testing import run_to_end
from tests.support.runs import driven, events_of, run
from tests.support.waiting import until_async

ROWS = 10_000


class Pair(NamedTuple):
    left: Any
    right: Any


class Words(list[Any]):
    """A list of the author's own."""

    note: str = ""


class Table(dict[str, Any]):
    """A dict of the author's own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Point:
    x: Any
    y: Any = 0


class Settings(BaseModel):
    items: list[Any] = ["a"]
    more: Any = None


class Stubborn(list[Any]):
    """A list that cannot be copied."""

    def __reduce_ex__(self, _: Any) -> Any:
        raise TypeError("there is only one of me")


class Row(BaseModel):
    """Notes in which threads it is read from JSON."""

    read_in: ClassVar[set[str]] = set()
    number: int

    @field_validator("number")
    @classmethod
    def noted(cls, number: int, info: ValidationInfo) -> int:
        if info.mode == "json":
            cls.read_in.add(threading.current_thread().name)
        return number


def one() -> int:
    return 1


def flow_of(*children: Any) -> Workflow[Any]:
    return Workflow(lambda _: Sequence(*children), name="flow")


async def received(argument: Any, *before: Any) -> Any:
    """Run a task with this argument; return what its function was called with."""
    seen: list[Any] = []

    def look(value: Any) -> None:
        seen.append(value)

    result = await run_to_end(flow_of(*before, Task("look", look, argument)))
    assert result.status == "finished", result.error
    return seen[0]


N = Task("n", one)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ([N, {"a": (N,)}], [1, {"a": (1,)}]),
        (OrderedDict(k=N), OrderedDict(k=1)),
        (defaultdict(list, k=[N]), defaultdict(list, k=[1])),
        (Pair(N, [N]), Pair(1, [1])),
        (Words([N]), Words([1])),
        (Table(k=N), Table(k=1)),
        (deque([N], maxlen=3), deque([1], maxlen=3)),
        (Point(N, [N]), Point(1, [1])),
        (Settings(items=[], more=[N]), Settings(items=[], more=[1])),
    ],
    ids=lambda one: type(one).__name__,
)
async def test_elements_give_way_to_outputs_and_their_container_keeps_its_type(argument: Any, expected: Any) -> None:
    value = await received(argument, N)
    assert value == expected
    assert type(value) is type(argument)


async def test_a_container_of_its_own_kind_keeps_what_else_it_is() -> None:
    words = Words([N])
    words.note = "mine"
    assert (await received(words, N)).note == "mine"
    assert (await received(defaultdict(list, k=N), N))["none"] == []
    assert (await received(deque([N], maxlen=3), N)).maxlen == 3


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        ({N}, "in a set, where its output cannot"),
        ([frozenset({N})], "in a set, where its output cannot"),
        ({N: 1}, "in a key of a dict, where its output cannot"),
        ([functools.partial(print, N)], "in a functools.partial, where its output cannot"),
        (MappingProxyType({"a": N}), "in a mappingproxy, where its output cannot"),
        (Stubborn([N]), "in a Stubborn, which cannot be copied"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_elements_where_no_output_can_be_put_are_refused_at_render(argument: Any, said: str) -> None:
    with pytest.raises(WorkflowError, match=said):
        Task("a", print, argument)


async def test_each_attempt_has_its_own_copies_of_arguments_and_input() -> None:
    seen: list[Any] = []

    def spoil(number: dict[str, int], input: Settings, point: Point, counts: Counter[str], *, bound: list[int]) -> None:
        seen.append((dict(number), list(input.items), list(point.x), dict(counts), list(bound)))
        number["n"] += 10
        input.items.append("spoiled")
        point.x.append("spoiled")
        counts["a"] += 1
        bound.append(1)
        if task_context().attempt == 1:
            raise ValueError("again")

    function = functools.partial(spoil, bound=[0])

    @workflow
    def flow(ctx: Context[Settings]) -> Any:
        arguments = ({"n": 1}, ctx.input, Point(["p"]), Counter("a"))
        return Sequence(
            Task("first", function, *arguments, retries=1),
            Task("second", function, *arguments, retries=1),
        )

    assert (await run_to_end(flow)).status == "finished"
    assert seen == [({"n": 1}, ["a"], ["p"], {"a": 1}, [0])] * 4


async def test_each_rendering_has_its_own_copy_of_the_input() -> None:
    seen: list[list[Any]] = []

    def spoils(ctx: Context[Settings]) -> bool:
        seen.append(list(ctx.input.items))
        ctx.input.items.append("spoiled")
        return ctx.input.items == ["a"]

    @workflow
    def flow(ctx: Context[Settings]) -> Any:
        return Sequence(*(Task(f"{number}", one, skip_if=spoils) for number in range(2)))

    assert (await run_to_end(flow)).status == "finished"
    assert seen == [["a"], ["a"]]


async def test_what_is_no_data_is_the_same_object_for_every_attempt() -> None:
    lock, client = threading.Lock(), object()
    value = await received({"lock": lock, "points": [Point(client)], "only": Stubborn([1])})
    assert value["lock"] is lock
    assert value["points"][0].x is client
    assert value["only"] == [1]


async def test_what_stands_twice_among_arguments_is_one_object_and_may_hold_itself() -> None:
    shared: list[Any] = []
    value = await received([shared, shared])
    assert value[0] is value[1]
    assert value[0] is not shared
    ring: list[Any] = []
    ring.append(ring)
    value = await received(ring)
    assert value[0] is value
    assert value is not ring


@pytest.mark.parametrize("is_async", [True, False])
async def test_large_outputs_are_read_outside_of_the_event_loop(is_async: bool) -> None:  # noqa: FBT001
    Row.read_in.clear()

    async def look(rows: list[Row]) -> int:
        return len(rows)

    rows = Task("rows", lambda: [Row(number=number) for number in range(ROWS)], output=list[Row])
    result = await run_to_end(flow_of(rows, Task("look", look if is_async else len, rows)))
    assert result.outputs["look"] == ROWS
    assert threading.current_thread().name not in Row.read_in
    assert Row.read_in, "nothing was read"


class Word(enum.Enum):
    YES = "yes"


@pytest.mark.parametrize(
    ("type", "value", "word"),
    [
        (Path, Path("/a b"), "/a b"),
        (uuid.UUID, uuid.UUID(int=7), str(uuid.UUID(int=7))),
        (Decimal, Decimal("1.10"), "1.10"),
        (Word, Word.YES, "yes"),
        (dt.date, dt.date(2024, 2, 29), "2024-02-29"),
        (dt.datetime, dt.datetime(2024, 2, 29, 12, tzinfo=dt.UTC), "2024-02-29T12:00:00Z"),
        (bool, True, "true"),
        (int, 3, "3"),
        (str, 'a "b"', 'a "b"'),
        (None, None, ""),
        (list[int], [1, 2], "[1,2]"),
    ],
    ids=lambda one: getattr(one, "__name__", str(one)),
)
async def test_a_plain_output_is_a_word_of_a_command_without_quotes(type: Any, value: Any, word: str) -> None:
    made = Task("made", lambda: value, output=type)
    shell = Shell("shell", ["printf", "%s|%s", made, "end"], env={"WORD": made})
    result = await run_to_end(flow_of(made, shell, Shell("env", 'printf "%s" "$WORD"', env={"WORD": made})))
    assert result.outputs["shell"] == f"{word}|end"
    assert result.outputs["env"] == word


class Shrinking(BaseModel):
    number: int


async def test_an_output_that_no_longer_fits_fails_the_run_and_names_the_node(store: Store) -> None:
    def make(count: type[Any], *, is_waiting: bool) -> Workflow[Any]:
        async def use(_: Any) -> None:
            if is_waiting:
                await asyncio.Event().wait()

        made = Task("made", lambda: 1, output=count)
        return flow_of(made, Task("use", use, made, retries=5, continue_on_fail=True))

    async with driven(make(int, is_waiting=True), store) as (engine, _):
        await until_async(lambda: bool(engine.state.nodes["use", 0].attempts))
    state = await run(make(Shrinking, is_waiting=False), store)
    assert state.status is RunStatus.FAILED
    assert state.error is not None
    assert "The stored output of node 'made' no longer fits Shrinking" in state.error.message
    assert not await events_of(store, events.NodeRetrying)


async def test_outputs_that_memory_does_not_hold_are_read_from_the_store(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smithersd.core.flow.outputs.OUTPUTS_HELD_BYTES_MAX", 1_000)
    texts = [Task(f"text {number}", lambda number=number: str(number) * 400) for number in range(6)]
    seen: list[str] = []

    def look(*values: str) -> None:
        seen.append("".join(value[0] for value in values))

    async def hang() -> None:
        await asyncio.Event().wait()

    def make(last: Any) -> Workflow[Any]:
        def lazy(ctx: Context[Any]) -> Any:
            return Parallel(Task("looked", look, *(ctx.output(text) for text in texts)), Task("given", look, *texts))

        return flow_of(*texts, Task("last", last), lazy, Shell("shell", ["printf", "%.3s", texts[4]]))

    async with driven(make(hang), store) as (engine, _):
        await until_async(lambda: ("last", 0) in engine.state.nodes and bool(engine.state.nodes["last", 0].attempts))
    state = await run(make(one), store)
    assert state.status is RunStatus.FINISHED, state.error
    assert seen == ["012345", "012345"]
    assert await store.output("r", "shell", 0) == '"444"'
