"""--on-wait: a command that tells somebody that the run waits for a person.

It runs when a gate begins to wait, with all that wait as JSON on its stdin, one command at a time. Each wait is told
once, also over restarts: what was told is written down beside the run as soon as the command has done its work. A
command that fails, takes too long or is interrupted has told nobody, and the next start of the run tries again.
Whatever becomes of it, the run goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pydantic_core

from smithersd.config import STOP_GRACE_S
from smithersd.core.events import Recorded
from smithersd.core.fold import NodeRecord
from smithersd.core.wire import Json, question_json
from smithersd.daemon import invocations
from smithersd.daemon.command import CommandFailed, run_command
from smithersd.daemon.gates import Gates, read_question
from smithersd.daemon.report import Begun
from smithersd.daemon.told import ToldFile, Wait
from smithersd.errors import SmithersError
from smithersd.log import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def telling(
    command: str, begun: Begun, *, store: Store, told: ToldFile, is_stopped: asyncio.Event
) -> AsyncIterator[None]:
    """Tell of each wait of the run while the `with` lasts.

    At its end a command that runs is awaited; once `is_stopped`, for a short time only.
    """
    work = _Work(command, begun, store, told)
    begun.engine.observe(work.follow)
    working = asyncio.create_task(work.run(), name="on-wait")
    try:
        yield
        work.end()
        await _wait(working, is_stopped)
    finally:
        working.cancel()
        await asyncio.wait([working])


async def _wait(working: asyncio.Task[None], is_stopped: asyncio.Event) -> None:
    stopped = asyncio.create_task(is_stopped.wait())
    await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await asyncio.wait([working], timeout=STOP_GRACE_S)


class _Work:
    def __init__(self, command: str, begun: Begun, store: Store, told: ToldFile) -> None:
        self._command = command
        self._begun = begun
        self._run = begun.engine.state
        self._store = store
        self._file = told
        self._told = told.read()
        self._tried: set[Wait] = set()
        self._gates = Gates(self._run)
        self._is_ending = False
        self._wake = asyncio.Event()
        self._wake.set()

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Take in the events of a step."""
        if self._gates.follow(recorded):
            self._wake.set()

    def end(self) -> None:
        """Tell what is left to be told, and no more."""
        self._is_ending = True
        self._wake.set()

    async def run(self) -> None:
        """Tell of waits as they begin."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while (waiting := self._gates.waiting) and (new := {_wait_of(node) for node in waiting} - self._known):
                await self._tell(waiting, new)
            if self._run.status.is_final:
                self._file.remove()
            if self._is_ending:
                return

    @property
    def _known(self) -> set[Wait]:
        return self._told | self._tried

    async def _tell(self, waiting: list[NodeRecord], new: set[Wait]) -> None:
        self._tried |= new
        try:
            await run_command(self._command, await self._message(waiting, new))
            self._told = new | (self._told & {_wait_of(node) for node in waiting})
            self._file.write(self._told)
        except (CommandFailed, SmithersError, OSError) as error:
            _log.warning("%s: --on-wait: %s", self._run.run_id, error)

    async def _message(self, waiting: list[NodeRecord], new: set[Wait]) -> bytes:
        message = {
            "runId": self._run.run_id,
            "workflowName": self._run.workflow_name,
            "url": self._begun.url,
            "link": None if self._begun.url is None else f"{self._begun.url}/?runId={self._run.run_id}",
            "folder": str(Path.cwd()),
            "approvals": [await self._approval(node, is_new=_wait_of(node) in new) for node in waiting],
        }
        return pydantic_core.to_json(message) + b"\n"

    async def _approval(self, node: NodeRecord, *, is_new: bool) -> Json:
        """A gate as /approvals shows it, whether this is the first that is told of it, and the commands to paste."""
        question = await read_question(self._run, node, self._store)
        commands = {
            f"{verb}Command": invocations.decide(verb, self._run.run_id, *node.key, storage=self._begun.storage)
            for verb in ("approve", "deny")
        }
        return {**question_json(question), "new": is_new, **commands}


def _wait_of(node: NodeRecord) -> Wait:
    assert node.gate is not None, f"{node.node_id} waits for nothing"
    return (*node.key, node.gate.requested_at_ms)
