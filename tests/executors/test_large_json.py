"""Which results are written in the loop and which in a thread."""

import dataclasses
import enum
from typing import Any

import pydantic
import pytest

from smithersd.executors.large_json import PARTS_MAX, is_large


class Model(pydantic.BaseModel):
    items: list[int]


@dataclasses.dataclass
class Plain:
    items: list[int]


@dataclasses.dataclass(slots=True)
class Slotted:
    items: list[int]


class Color(enum.Enum):
    RED = "red"


CYCLE: list[Any] = []
CYCLE.append(CYCLE)


@pytest.mark.parametrize(
    "result", [None, True, 3, 2.5, "text", b"bytes", Color.RED, [1, 2], {"a": [1]}, object(), int, Model(items=[1])]
)
def test_small_results_are_light(result):
    assert not is_large(result)


@pytest.mark.parametrize(
    "result",
    [
        "x" * 1_000_000,
        b"x" * 1_000_000,
        list(range(10_000)),
        dict.fromkeys(range(10_000)),
        {"a": {"b": ["x" * 100] * 5_000}},
        [[1] * 50 for _ in range(50)],
        Model(items=list(range(10_000))),
        Plain(list(range(10_000))),
        Slotted(list(range(10_000))),
        [Model(items=[1] * 10)] * 1_000,
        frozenset(range(10_000)),
        CYCLE,
    ],
    ids=lambda result: type(result).__name__,
)
def test_large_results_are_heavy_however_they_are_made(result):
    assert is_large(result)


def test_the_largest_result_is_judged_by_its_first_parts():
    walked = []

    class Watched(list[Any]):
        def __iter__(self):
            for part in super().__iter__():
                walked.append(part)
                yield part

    class Closed(dict[Any, Any]):
        def keys(self):
            pytest.fail("so many keys need no look")

        values = keys

    assert is_large({"a": Watched(range(100_000))})
    assert is_large([Closed.fromkeys(range(100_000))])
    assert len(walked) <= PARTS_MAX + 1
