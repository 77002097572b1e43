"""Test a workflow: run it to its end in a temporary store, without real waiting."""

import asyncio
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smithersd.core.log.events import NodeWaitingApproval, Recorded
from smithersd.elements import Decision, Workflow
from smithersd.elements.texts import plain_text
from smithersd.engine import UNSET, Engine, JumpingClock, RunResult, drive_to_end, result_of, start_run
from smithersd.errors import UserError
from smithersd.store import Store, open_store

__all__ = ["Decisions", "run_to_end"]

Decisions = Mapping[str, bool] | bool
"""Whether each approval is approved (True) or denied, by its node id; or one answer for all."""


async def run_to_end(
    workflow: Workflow[Any],
    input: Any = UNSET,
    *,
    decisions: Decisions = True,
    run_id: str = "test",
) -> RunResult:
    """Run a workflow to its end in a temporary store, with a clock that jumps over delays and timers.

    Args:
        workflow: the workflow to run; its tasks really run.
        input: the run's input, as plain data or as an object of the input type.
        decisions: whether each approval is approved, by node id, or one answer for all.
        run_id: the run's id.

    Raises:
        UserError: the workflow or its input is not valid, or an approval is requested that `decisions` does not have.

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
            decider = _Decider(engine, store, clock, decisions)
            async with asyncio.TaskGroup() as group:
                deciding = group.create_task(decider.decide_all())
                await drive_to_end(engine)
                deciding.cancel()
            if decider.error is not None:
                raise decider.error
            return await result_of(engine, store)


class _Decider:
    """Decides every approval as soon as it is requested."""

    def __init__(self, engine: Engine, store: Store, clock: JumpingClock, decisions: Decisions) -> None:
        self.error: UserError | None = None
        self._engine = engine
        self._store = store
        self._clock = clock
        self._decisions = decisions if isinstance(decisions, bool) else _by_plain_id(decisions)
        self._requested: asyncio.Queue[tuple[str, int]] = asyncio.Queue()
        engine.observe(self._queue_approvals)

    async def decide_all(self) -> None:
        """Decide approvals until cancelled, or until one is requested that `decisions` does not have."""
        while self.error is None:
            node_id, iteration = await self._requested.get()
            is_approval = self._decision_for(node_id)
            if is_approval is None:
                self.error = UserError(
                    f"The approval {node_id!r} was requested, but decisions has no answer for it.",
                    remedy=f"Add it: decisions={{{node_id!r}: True, ...}}.",
                )
                self._engine.request_cancel()
            else:
                await self._submit(node_id, iteration, is_approval=is_approval)

    def _queue_approvals(self, recorded: Sequence[Recorded]) -> None:
        for entry in recorded:
            if isinstance(entry.event, NodeWaitingApproval):
                self._requested.put_nowait((entry.event.node_id, entry.event.iteration))

    def _decision_for(self, node_id: str) -> bool | None:
        return self._decisions if isinstance(self._decisions, bool) else self._decisions.get(node_id)

    async def _submit(self, node_id: str, iteration: int, *, is_approval: bool) -> None:
        decision = Decision(approved=is_approval, decided_by="test", decided_at_ms=self._clock.now_ms())
        await self._store.submit_decision(self._engine.run_id, node_id, iteration, decision)


def _by_plain_id(decisions: Mapping[str, bool]) -> dict[str, bool]:
    return {plain_text(node_id): is_approval for node_id, is_approval in decisions.items()}
