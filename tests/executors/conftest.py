"""A sink that remembers, and executors to run things on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pydantic_core
import pytest

from smithersd.errors import InvalidOutput
from smithersd.executors import (
    AttemptInfo,
    Call,
    Executors,
    FunctionCall,
    Outcome,
    Running,
    ShellCall,
)
from tests.support.waiting import DEADLINE_S


@dataclass
class Record:
    """Everything that was told of one attempt, in order."""

    told: list[tuple[str, Any]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    running: Running | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def printed(self, text: str, stream: str, is_truncated: bool) -> None:  # noqa: FBT001
        self._tell("printed", (text, stream, is_truncated))

    def progressed(self, done: float | None, total: float | None, message: str | None) -> None:
        self._tell("progressed", (done, total, message))

    def signalled(self, name: str, key: str | None, data: Any) -> None:
        self._tell("signalled", (name, key, data))

    def heartbeat(self, data: Any) -> None:
        self._tell("heartbeat", data)

    def ended(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self._tell("ended", outcome)

    def of(self, kind: str) -> list[Any]:
        return [value for what, value in self.told if what == kind]

    def text(self, stream: str = "stdout") -> str:
        return "".join(text for text, where, _ in self.of("printed") if where == stream)

    async def until(self, predicate: Callable[["Record"], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while not predicate(self):
                self._changed.clear()
                await self._changed.wait()

    async def outcome(self) -> Outcome:
        await self.until(lambda record: bool(record.outcomes))
        (outcome,) = self.outcomes
        assert self.told[-1][0] == "ended", "something was told after the end"
        return outcome

    def _tell(self, what: str, value: Any) -> None:
        asyncio.get_running_loop()  # raises in any other thread
        self.told.append((what, value))
        self._changed.set()


def encode(value: Any) -> str:
    try:
        return pydantic_core.to_json(value).decode()
    except pydantic_core.PydanticSerializationError as error:
        raise InvalidOutput(str(error)) from error


class Bench:
    """Executors with an easy way to start things on them."""

    def __init__(self, executors: Executors) -> None:
        self.executors = executors
        self._count = 0

    def function(self, function: Callable[..., Any], *args: Any, last_heartbeat: Any = None) -> Record:
        return self.start(FunctionCall(function, args), last_heartbeat=last_heartbeat)

    def shell(self, command: str | tuple[str, ...], cwd: str | None = None, **env: str) -> Record:
        return self.start(ShellCall(command, cwd, env))

    def start(self, work: FunctionCall | ShellCall, *, encode: Any = encode, last_heartbeat: Any = None) -> Record:
        self._count += 1
        record = Record()
        info = AttemptInfo("run", f"node-{self._count}", 0, 1, last_heartbeat)
        record.running = self.executors.start(Call(info, work, encode), record)
        assert record.told == [], "told before start() returned"
        return record


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with open_bench() as bench:
        yield bench


@contextlib.asynccontextmanager
async def open_bench(*, captures_output: bool = False) -> AsyncIterator[Bench]:
    executors = Executors(captures_output=captures_output)
    try:
        yield Bench(executors)
    finally:
        await executors.close()


@pytest.fixture(name="open_bench")
def open_bench_fixture() -> Any:
    return open_bench
