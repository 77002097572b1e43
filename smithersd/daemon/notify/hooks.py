"""Hooks: the operator's commands of --on-wait, --on-fail and --on-end.

The first runs when an approval is requested, with all pending approvals as JSON on its stdin; the others when the run
has failed, or ended in any way, with its final status. One command runs at a time. Each wait and each end is sent once,
also after a restart: it is recorded in the run's folder as soon as the command has succeeded. After a command that
failed, took too long or was interrupted, the next start of the run tries again. A failing hook never stops the run.
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
from smithersd.daemon.notify.waiting import has_approval_request
from smithersd.daemon.notify.wakeups import Wakeups
from smithersd.daemon.options import Hooks
from smithersd.daemon.report import StartedRun
from smithersd.errors import SmithersError
from smithersd.limits import END_HOOKS_GRACE_S, STOP_GRACE_S
from smithersd.loggers import logger
from smithersd.store import Store

_log = logger(__name__)


@asynccontextmanager
async def running_hooks(
    hooks: Hooks, started_run: StartedRun, *, store: Store, sent: SentFile, is_stopped: asyncio.Event
) -> AsyncIterator[None]:
    """Run the hooks for each wait of the run, and for its end, while the `with` lasts.

    At its end a running command is awaited; once `is_stopped` is set, for a short time only.
    """
    runner = _HookRunner(hooks, started_run, store, sent)
    started_run.engine.observe(runner.follow)
    async with runner.wakeups.running("hooks") as task:
        yield
        runner.wakeups.end()
        is_over = started_run.engine.state.status.is_final
        await _wait(task, is_stopped, grace_s=END_HOOKS_GRACE_S if is_over else STOP_GRACE_S)


async def _wait(working: asyncio.Task[None], is_stopped: asyncio.Event, *, grace_s: float) -> None:
    stopped = asyncio.create_task(is_stopped.wait())
    await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    await asyncio.wait([working], timeout=grace_s)


class _HookRunner:
    def __init__(self, hooks: Hooks, started_run: StartedRun, store: Store, sent: SentFile) -> None:
        self._hooks = hooks
        self._started_run = started_run
        self._run = started_run.engine.state
        self._store = store
        self._file = sent
        self._sent = sent.read()
        self._tried = SentNotifications()
        self.wakeups = Wakeups(self._run_due)

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Wake the runner if these events request an approval or end the run."""
        if has_approval_request(recorded) or self._run.status.is_final:
            self.wakeups.wake()

    async def _run_due(self) -> None:
        if self._hooks.on_wait is not None:
            await self._run_on_wait(self._hooks.on_wait)
        if self._run.status.is_final:
            await self._run_on_end()

    async def _run_on_wait(self, command: str) -> None:
        while (waiting := self._run.awaiting_approval) and (new := self._unsent(waiting)):
            self._tried = replace(self._tried, waits=self._tried.waits | new)
            going_on = self._sent.waits & {_wait_of(node) for node in waiting}
            try:
                new_keys = {node.key for node in waiting if _wait_of(node) in new}
                message = await wait_message(self._started_run, waiting, self._store, new=new_keys)
            except SmithersError as error:
                self._log_failure("--on-wait", error)
            else:
                await self._run_command("--on-wait", command, message, replace(self._sent, waits=new | going_on))

    def _unsent(self, waiting: Sequence[NodeRecord]) -> frozenset[Wait]:
        return frozenset(_wait_of(node) for node in waiting) - self._sent.waits - self._tried.waits

    async def _run_on_end(self) -> None:
        self._record(replace(self._sent, waits=frozenset()))
        for flag, command in self._unsent_ends():
            self._tried = replace(self._tried, ends=self._tried.ends | {flag})
            sent = replace(self._sent, ends=self._sent.ends | {flag})
            await self._run_command(flag, command, end_message(self._started_run), sent)

    def _unsent_ends(self) -> Iterator[tuple[str, str]]:
        commands = {"--on-end": self._hooks.on_end}
        if self._run.status is RunStatus.FAILED:
            commands = {"--on-fail": self._hooks.on_fail, **commands}
        for flag, command in commands.items():
            if command is not None and flag not in self._sent.ends | self._tried.ends:
                yield flag, command

    async def _run_command(self, flag: str, command: str, message: bytes, sent: SentNotifications) -> None:
        """Run a command, and record what it has sent if it succeeds."""
        try:
            await run_command(command, message)
        except (CommandFailed, OSError) as error:
            self._log_failure(flag, error)
        else:
            self._record(sent)

    def _record(self, sent: SentNotifications) -> None:
        if sent == self._sent:
            return
        self._sent = sent
        try:
            self._file.write(sent)
        except OSError as error:
            _log.warning(
                "%s: the notification was sent but not recorded, so a restart will send it again: %s",
                self._run.run_id,
                error,
            )

    def _log_failure(self, flag: str, error: Exception) -> None:
        _log.warning("%s: %s: %s", self._run.run_id, flag, error)


def _wait_of(node: NodeRecord) -> Wait:
    assert node.approval is not None, f"{node.node_id} has no approval"
    return (*node.key, node.approval.requested_at_ms)
