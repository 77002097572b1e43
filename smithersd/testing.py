"""Test a workflow: run it to its end in a temporary store, without real waiting."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from smithersd.core.log.events import NodeWaitingApproval, NodeWaitingEvent, Recorded, SignalReceived, SignalRefused
from smithersd.core.log.states import RunStatus
from smithersd.elements import Decision, Workflow
from smithersd.elements.texts import plain_text
from smithersd.engine import (
    UNSET,
    Engine,
    JumpingClock,
    RunResult,
    drive_to_end,
    result_of,
    send_signal,
    start_run,
    wait_until_applied,
)
from smithersd.errors import UserError
from smithersd.store import Store, open_store

__all__ = ["Decisions", "Signals", "run_to_end"]

T = TypeVar("T")

Decisions = Mapping[str, bool] | bool
"""Whether each approval is approved (True) or denied, by its node id; or one answer for all."""

Signals = Mapping[str, Any]
"""The data of each signal, by its name."""


async def run_to_end(
    workflow: Workflow[Any],
    input: Any = UNSET,
    *,
    decisions: Decisions = True,
    signals: Signals = MappingProxyType({}),
    run_id: str = "test",
) -> RunResult:
    """Run a workflow to its end in a temporary store, with a clock that jumps over delays and timers.

    Args:
        workflow: the workflow to run; its tasks really run.
        input: the run's input, as plain data or as an object of the input type.
        decisions: whether each approval is approved, by node id, or one answer for all.
        signals: the data of each signal, by its name; it is sent whenever a node waits for it. A wait for another
            signal ends by its timeout, or by what a task sends.
        run_id: the run's id.

    Raises:
        UserError: the workflow or its input is not valid, an approval is requested that `decisions` does not have,
            or nothing is waited for but signals that `signals` does not have.

    Examples:
        >>> import asyncio
        >>> from smithersd import Approval, Context, Sequence, Task, workflow
        >>> @workflow
        ... def release(ctx: Context[str]):
        ...     return Sequence(Approval("publish"), Task("done", "Published {}".format, ctx.input))
        >>> result = asyncio.run(run_to_end(release, "1.2", decisions={"publish": True}))
        >>> result.status.value, result.outputs["done"]
        ('finished', 'Published 1.2')
        >>> result = asyncio.run(run_to_end(release, "1.2", decisions={"publish": False}))
        >>> result.status.value
        'failed'
    """
    clock = JumpingClock()
    with tempfile.TemporaryDirectory(prefix="smithersd-") as folder:
        async with open_store(Path(folder) / "smithers.db") as store:
            engine = await start_run(workflow, store=store, run_id=run_id, input=input, clock=clock)
            world = _World(engine, store, clock, decisions, signals)
            async with asyncio.TaskGroup() as group:
                answering = group.create_task(world.answer_all())
                await drive_to_end(engine)
                answering.cancel()
            if world.error is not None:
                raise world.error
            return await result_of(engine, store)


class _World:
    """Decides every approval as soon as it is requested, and sends every signal as soon as a node waits for it."""

    def __init__(
        self, engine: Engine, store: Store, clock: JumpingClock, decisions: Decisions, signals: Signals
    ) -> None:
        self.error: UserError | None = None
        self._engine = engine
        self._store = store
        self._clock = clock
        self._decisions = decisions if isinstance(decisions, bool) else _by_plain_id(decisions)
        self._signals = _by_plain_id(signals)
        self._waiting: asyncio.Queue[NodeWaitingApproval | NodeWaitingEvent] = asyncio.Queue()
        engine.observe(self._queue)

    async def answer_all(self) -> None:
        """Answer until cancelled, or until something is waited for that nobody has an answer to."""
        while self.error is None:
            waiting = await self._waiting.get()
            try:
                if isinstance(waiting, NodeWaitingApproval):
                    await self._decide(waiting)
                else:
                    await self._send(waiting)
            finally:
                self._clock.release()

    def _queue(self, recorded: Sequence[Recorded]) -> None:
        for entry in recorded:
            match entry.event:
                case NodeWaitingApproval():
                    self._clock.hold()  # the decision comes before anything is due, also before the run times out
                    self._waiting.put_nowait(entry.event)
                case NodeWaitingEvent(node_id, iteration, name) if name in self._signals:
                    if self._engine.state.nodes[node_id, iteration].state.is_waiting:  # else a kept one was for it
                        self._clock.hold()  # the signal comes before anything is due
                        self._waiting.put_nowait(entry.event)
                case SignalRefused(node_id, error=error):
                    what = f"The data for the signal {node_id!r} do not fit: {error.message}"
                    self._give_up(what, "Give signals data of the type that the node has.")
                case _:
                    pass
        self._check_signals()

    def _check_signals(self) -> None:
        """Give up on a run that waits for signals only, none of which will come."""
        state = self._engine.state
        requests = [wait.request for wait in state.waiting]
        names = [request.name for request in requests if isinstance(request, NodeWaitingEvent)]
        is_stuck = state.status is RunStatus.WAITING_EVENT and all(wait.due_at_ms is None for wait in state.waiting)
        if is_stuck and not any(name in self._signals for name in names):
            self._give_up(
                f"The run waits for the signal {names[0]!r}, but signals has no data for it.",
                f"Add it: signals={{{names[0]!r}: ..., ...}}.",
            )

    async def _decide(self, waiting: NodeWaitingApproval) -> None:
        node_id = waiting.node_id
        is_approval = self._decisions if isinstance(self._decisions, bool) else self._decisions.get(node_id)
        if is_approval is None:
            self._give_up(
                f"The approval {node_id!r} was requested, but decisions has no answer for it.",
                f"Add it: decisions={{{node_id!r}: True, ...}}.",
            )
            return
        decision = Decision(approved=is_approval, decided_by="test", decided_at_ms=self._clock.now_ms())
        submitted = await self._store.submit_decision(self._engine.run_id, node_id, waiting.iteration, decision)
        await wait_until_applied(self._store, submitted)

    async def _send(self, waiting: NodeWaitingEvent) -> None:
        data, now_ms = self._signals[waiting.name], self._clock.now_ms()
        sent = SignalReceived(waiting.name, data, now_ms, waiting.correlation_id, "test")
        try:
            submitted = await send_signal(self._store, self._engine.run_id, sent)
        except UserError as error:
            self.error = error
            self._engine.request_cancel()
        else:
            await wait_until_applied(self._store, submitted)

    def _give_up(self, message: str, remedy: str) -> None:
        self.error = UserError(message, remedy=remedy)
        self._engine.request_cancel()


def _by_plain_id(answers: Mapping[str, T]) -> dict[str, T]:
    return {plain_text(name): answer for name, answer in answers.items()}
