"""Which executor runs what: a table, and each piece of work is for one entry of it."""

from functools import partial
from typing import Any

import pytest

from smithersd.executors import EXECUTORS, FunctionCall, ShellCall
from smithersd.executors.executors import executor_for


def plain() -> None:
    pass


async def asynchronous() -> None:
    pass


class Callable:
    async def __call__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("work", "name"),
    [
        (FunctionCall(plain, ()), "thread"),
        (FunctionCall(partial(plain), ()), "thread"),
        (FunctionCall(asynchronous, ()), "coroutine"),
        (FunctionCall(partial(asynchronous), ()), "coroutine"),
        (FunctionCall(Callable(), ()), "coroutine"),
        (ShellCall("true", None, {}), "command"),
        (ShellCall(("true",), None, {}), "command"),
    ],
)
def test_each_piece_of_work_is_taken_by_exactly_one_executor(work: Any, name: str) -> None:
    assert [executor.name for executor in EXECUTORS if executor.takes(work)] == [name]
    assert executor_for(work).name == name


def test_work_that_no_executor_takes_is_refused_by_its_type() -> None:
    with pytest.raises(TypeError, match="No executor takes work of type int"):
        executor_for(3)  # type: ignore[arg-type]  # as a kind of work would be that nobody runs
