"""The operator's commands that tell somebody: --on-wait, --on-fail and --on-end.

The first runs when a node begins to wait, with all that wait as JSON on its stdin; the others when the run has failed,
or ended in any way, with how it stands. One command runs at a time. Each wait and each end is told once, also over
restarts: what was told is written down beside the run as soon as the command has done its work. A command that fails,
takes too long or is interrupted has told nobody, and the next start of the run tries again. Whatever becomes of it, the
run goes on.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeRecord
from smithersd.core.log.states import RunStatus
from smithersd.daemon.notify.command import CommandFailed, run_command
from smithersd.daemon.notify.hook_messages import end_message, wait_message
from smithersd.daemon.notify.sent import SentFile, SentNotifications, Wait
from smithersd.daemon.notify.waiting import has_question
from smithersd.daemon.notify.wakeups import Wakeups
from smithersd.daemon.options import Hooks
from smithersd.daemon.report import StartedRun
from smithersd.errors import SmithersError
from smithersd.limits import END_HOOKS_GRACE_S, STOP_GRACE_S
from smithersd.loggers import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def telling(
    hooks: Hooks, started_run: StartedRun, *, store: Store, sent: SentFile, is_stopped: asyncio.Event
) -> AsyncIterator[None]:
    """Tell of each wait of the run, and of its end, while the `with` lasts.

    At its end a command that runs is awaited; once `is_stopped`, for a short time only.
    """
    work = _Work(hooks, started_run, store, sent)
    started_run.engine.observe(work.follow)
    async with work.wakeups.running("hooks") as task:
        yield
        work.wakeups.end()
        is_over = started_run.engine.state.status.is_final
        await _wait(task, is_stopped, grace_s=END_HOOKS_GRACE_S if is_over else STOP_GRACE_S)


async def _wait(working: asyncio.Task[None], is_stopped: asyncio.Event, *, grace_s: float) -> None:
    stopped = asyncio.create_task(is_stopped.wait())
    await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await asyncio.wait([working], timeout=grace_s)


class _Work:
    def __init__(self, hooks: Hooks, started_run: StartedRun, store: Store, sent: SentFile) -> None:
        self._hooks = hooks
        self._started_run = started_run
        self._run = started_run.engine.state
        self._store = store
        self._file = sent
        self._sent = sent.read()
        self._tried = SentNotifications()
        self.wakeups = Wakeups(self._look)

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Take in the events of a step."""
        if has_question(recorded) or self._run.status.is_final:
            self.wakeups.wake()

    async def _look(self) -> None:
        if self._hooks.on_wait is not None:
            await self._tell_waits(self._hooks.on_wait)
        if self._run.status.is_final:
            await self._tell_end()

    async def _tell_waits(self, command: str) -> None:
        while (waiting := self._run.awaiting_approval) and (new := self._untold(waiting)):
            self._tried = replace(self._tried, waits=self._tried.waits | new)
            going_on = self._sent.waits & {_wait_of(node) for node in waiting}
            try:
                new_keys = {node.key for node in waiting if _wait_of(node) in new}
                message = await wait_message(self._started_run, waiting, self._store, new=new_keys)
            except SmithersError as error:
                self._say_failed("--on-wait", error)
            else:
                await self._tell("--on-wait", command, message, replace(self._sent, waits=new | going_on))

    def _untold(self, waiting: Sequence[NodeRecord]) -> frozenset[Wait]:
        return frozenset(_wait_of(node) for node in waiting) - self._sent.waits - self._tried.waits

    async def _tell_end(self) -> None:
        self._note(replace(self._sent, waits=frozenset()))
        for flag, command in self._untold_ends():
            self._tried = replace(self._tried, ends=self._tried.ends | {flag})
            sent = replace(self._sent, ends=self._sent.ends | {flag})
            await self._tell(flag, command, end_message(self._started_run), sent)

    def _untold_ends(self) -> Iterator[tuple[str, str]]:
        commands = {"--on-end": self._hooks.on_end}
        if self._run.status is RunStatus.FAILED:
            commands = {"--on-fail": self._hooks.on_fail, **commands}
        for flag, command in commands.items():
            if command is not None and flag not in self._sent.ends | self._tried.ends:
                yield flag, command

    async def _tell(self, flag: str, command: str, message: bytes, sent: SentNotifications) -> None:
        """Run a command, and note what it has told by that."""
        try:
            await run_command(command, message)
        except (CommandFailed, OSError) as error:
            self._say_failed(flag, error)
        else:
            self._note(sent)

    def _note(self, sent: SentNotifications) -> None:
        if sent == self._sent:
            return
        self._sent = sent
        try:
            self._file.write(sent)
        except OSError as error:
            _log.warning("%s: a restart tells again what was told: %s", self._run.run_id, error)

    def _say_failed(self, flag: str, error: Exception) -> None:
        _log.warning("%s: %s: %s", self._run.run_id, flag, error)


def _wait_of(node: NodeRecord) -> Wait:
    assert node.approval is not None, f"{node.node_id} waits for nothing"
    return (*node.key, node.approval.requested_at_ms)
