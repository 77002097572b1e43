"""Start or resume a run: everything up to the first durable step.

The workflow is rendered before anything is written, so that one that cannot be rendered leaves no trace in the store.
"""

import asyncio
import random
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.outputs import Outputs
from smithersd.core.log.fold import RunState
from smithersd.core.reuse.earlier import EarlierRun, Order
from smithersd.core.tree.frames import FrameTree
from smithersd.elements import Workflow
from smithersd.elements.container import checked_limit
from smithersd.elements.texts import plain_text
from smithersd.engine.attempts.fetching import fetch_missing
from smithersd.engine.attempts.orphans import end_orphans
from smithersd.engine.clock import Clock, SystemClock
from smithersd.engine.drivers import resuming
from smithersd.engine.engine import Engine
from smithersd.engine.lease.lease import FIRST_FENCE, HeldLease
from smithersd.engine.lease.owner import Owner, end_owner, interruption_by, is_owner_dead, own_text
from smithersd.engine.lease.watchdog import watched
from smithersd.engine.loading.source import WorkflowSource
from smithersd.engine.run_ids import check_run_id
from smithersd.engine.run_options import DEFAULT_OPTIONS, RunOptions, StartMode
from smithersd.errors import InvalidInput, InvalidRequest, RunExists, RunIsDriven, StoreUnavailable, UserError
from smithersd.limits import MAX_CONCURRENCY_DEFAULT
from smithersd.loggers import logger
from smithersd.query.select import select_run
from smithersd.query.stored_log import read_log, read_state
from smithersd.store import Store
from smithersd.store.records import Lease, NewRun, RunRow


class Unset:
    """The type of `UNSET`."""


UNSET: Final = Unset()
"""Stands for an input that was not given, unlike None, which is an input."""

_LEASE_MARGIN_MS = 50
"""How much longer to wait than a lease lasts, since the store's clock is read in milliseconds."""

_log = logger(__name__)


async def start_run(
    source: WorkflowSource | Workflow[Any],
    *,
    store: Store,
    run_id: str,
    input: Any = UNSET,
    options: RunOptions = DEFAULT_OPTIONS,
    clock: Clock | None = None,
) -> Engine:
    """Start or resume a run up to its first durable step; call `Engine.drive` next.

    `input` is checked against the workflow's type. For a run that is resumed or reused, it must equal that run's input
    or be left out.

    Raises:
        RunExists: the mode is NEW and there is a run with this id.
        RunNotFound: the mode is RESUME, or `from_run` is given, and there is no such run.
        RunIsDriven: another process drives the run. One that may be from before a reboot is given time to renew its
            lease first.
        InvalidInput, WorkflowError, UserError: the input, the workflow or an option is not valid; nothing was written.
    """
    check_run_id(run_id)
    run_id = plain_text(run_id)
    checked_limit(options.max_concurrency, f"run {run_id!r}")
    if isinstance(source, Workflow):
        source = WorkflowSource(source)
    start = _Start(source, store, run_id, input, options, clock or SystemClock())
    known = await store.find_run(run_id)
    if options.mode is StartMode.RESUME or (known is not None and options.mode is StartMode.EITHER):
        return await start.resumed(known or await store.run(run_id))
    if known is not None:
        raise RunExists(
            f"Run {run_id!r} exists already ({known.status}).",
            remedy="Resume it with --resume, or choose another --run-id.",
        )
    return await start.started()


@dataclass(frozen=True, slots=True)
class _Start:
    """Starts or resumes one run."""

    source: WorkflowSource
    store: Store
    run_id: str
    input: Any
    options: RunOptions
    clock: Clock

    @property
    def workflow(self) -> Workflow[Any]:
        return self.source.workflow

    async def started(self) -> Engine:
        """Start a new run."""
        now_ms = self.clock.now_ms()
        redo = tuple(dict.fromkeys(self.options.redo))
        row = await self._ended_run()
        if row is None:
            text = _input_text(self.workflow, self.input)
            earlier = None
        else:
            text = _same_input(self.workflow, row, self.input, "--from")
            earlier = await read_earlier(self.store, row)
            check_redo(earlier, redo)
        from_run_id = None if row is None else row.run_id
        flow = self._flow(RunState(self.run_id), text, earlier=earlier)
        flow.begin(now_ms, from_run_id=from_run_id, redo=redo)
        new_run = NewRun(
            workflow_name=self.workflow.name,
            workflow_path=self.source.path,
            workflow_hash=self.source.hash,
            input=text,
            from_run_id=from_run_id,
            created_at_ms=now_ms,
            owner=own_text(),
        )
        engine = self._engine(flow, self._held(FIRST_FENCE))
        try:
            await engine.create(new_run)
        except BaseException:
            await engine.close()
            raise
        return engine

    async def resumed(self, row: RunRow) -> Engine:
        """Resume a run; of one that has ended, return an engine that only shows its state."""
        text = fitting_input(self.workflow, row, self.input)
        if row.status.is_final:
            return await self._ended(row, text)
        lease = await self._lease(row)
        if lease.run.status.is_final:  # it has ended since the row was read
            await self.store.release_lease(self.run_id, lease.fence)
            return await self._ended(lease.run, text)
        held = self._held(lease.fence)
        try:
            with resuming(self.store.url, self.run_id), watched(held):
                return await self._resumed(row, lease, held)
        except BaseException:
            with suppress(StoreUnavailable):  # the lease then runs out, or others see that its owner is dead
                await held.give_back()
            raise

    async def _resumed(self, row: RunRow, lease: Lease, held: HeldLease) -> Engine:
        """Restore a run from its log and commit its resumption; this may take longer than a lease lasts."""
        interruption = interruption_by(lease.former_owner)
        if self.options.is_forced and lease.former_owner is not None:
            await asyncio.to_thread(end_owner, lease.former_owner)
        flow = await self._folded_flow(row)
        await end_orphans(flow.state)
        now_ms = self.clock.now_ms()
        flow.resume(
            now_ms,
            fence=lease.fence,
            is_workflow_changed=self._is_changed(row),
            interruption=interruption,
        )
        await fetch_missing(flow, now_ms, lambda key: self.store.output(self.run_id, *key))
        return await self._committed(self._engine(flow, held))

    def _held(self, fence: int) -> HeldLease:
        return HeldLease(self.store, self.run_id, fence)

    async def _lease(self, row: RunRow) -> Lease:
        """Take the lease; if the driver may be from before a reboot, wait for its lease to run out first."""
        try:
            return await self._take_lease()
        except RunIsDriven:
            if row.owner is None or not Owner.from_text(row.owner).process.may_be_predecessor:
                raise
        rest_s = ((row.lease_expires_at_ms or 0) - row.store_now_ms + _LEASE_MARGIN_MS) / 1000
        _log.warning(
            "%s: the lease is held by a process from before a reboot, or in another container; "
            "waiting %.0f s for it to run out",
            row.run_id,
            max(rest_s, 0),
        )
        await asyncio.sleep(rest_s)
        return await self._take_lease()

    async def _take_lease(self) -> Lease:
        return await self.store.take_lease(self.run_id, own_text(), is_dead=is_owner_dead, force=self.options.is_forced)

    async def _ended(self, row: RunRow, input_text: str) -> Engine:
        return self._engine(self._flow(await read_state(self.store, self.run_id), input_text), self._held(row.fence))

    async def _committed(self, engine: Engine) -> Engine:
        try:
            await engine.resume()
        except BaseException:
            await engine.close()
            raise
        return engine

    def _engine(self, flow: Flow, lease: HeldLease) -> Engine:
        return Engine(flow, store=self.store, lease=lease, clock=self.clock, options=self.options)

    def _flow(
        self,
        state: RunState,
        input_text: str,
        *,
        frames: FrameTree | None = None,
        outputs: Outputs | None = None,
        earlier: EarlierRun | None = None,
    ) -> Flow:
        return Flow(
            self.workflow,
            state=state,
            input=self.workflow.load_input(input_text),
            max_concurrency=(self.options.max_concurrency or self.workflow.max_concurrency or MAX_CONCURRENCY_DEFAULT),
            chance=random.random,
            clocks=self.clock,
            frames=frames,
            outputs=outputs,
            earlier=earlier,
        )

    async def _folded_flow(self, row: RunRow) -> Flow:
        """Return the flow of a run, restored from its log, frames and outputs."""
        before = None if row.from_run_id is None else await self.store.find_run(row.from_run_id)
        earlier = None if before is None else await read_earlier(self.store, before)
        state = await read_state(self.store, self.run_id)
        frames = FrameTree()
        for frame in await self.store.frames(self.run_id):
            frames.apply(frame.scopes)
        outputs = await self._outputs(state)
        return self._flow(state, row.input, frames=frames, outputs=outputs, earlier=earlier)

    async def _outputs(self, state: RunState) -> Outputs:
        """Return the outputs of a run's nodes, with the small ones in memory, since renderings read these."""
        outputs = Outputs()
        for node in state.nodes.values():
            if node.has_output:
                outputs.note(node.key)
        for row in await self.store.small_outputs(self.run_id):
            outputs.hold((row.node_id, row.iteration), row.output)
        return outputs

    async def _ended_run(self) -> RunRow | None:
        """Return the row of the run to reuse, or None if none is named."""
        if self.options.from_run is None:
            return None
        row = await select_run(self.store, self.options.from_run)
        if not row.status.is_final:
            raise UserError(
                f"Run {row.run_id!r} has not ended ({row.status}), so a new run cannot reuse its results.",
                remedy=f"Resume it: --resume --run-id {row.run_id}.",
            )
        return row

    def _is_changed(self, row: RunRow) -> bool:
        return None not in (row.workflow_hash, self.source.hash) and row.workflow_hash != self.source.hash


def fitting_input(workflow: Workflow[Any], row: RunRow, input: Any = UNSET) -> str:
    """Check that a run can be resumed with this workflow and input; return the run's input as JSON text.

    Raises:
        UserError: the run belongs to another workflow.
        InvalidInput: the input differs from the run's.
    """
    if row.workflow_name != workflow.name:
        raise UserError(
            f"Run {row.run_id!r} belongs to workflow {row.workflow_name!r}, not to {workflow.name!r}.",
            remedy="Give the file of that workflow, or another --run-id.",
        )
    return _same_input(workflow, row, input, "--resume")


def _same_input(workflow: Workflow[Any], row: RunRow, input: Any, flag: str) -> str:
    if input is not UNSET and not workflow.is_same_input(input, row.input):
        raise InvalidInput(
            f"The input differs from the input of run {row.run_id!r}.", remedy=f"Leave out --input with {flag}."
        )
    return row.input


def _input_text(workflow: Workflow[Any], input: Any) -> str:
    return workflow.input_text(None if input is UNSET else input)


async def read_earlier(store: Store, row: RunRow) -> EarlierRun:
    """Return what a new run needs to know of an ended one to reuse its results."""
    state, order, frames = RunState(row.run_id), Order(), FrameTree()
    async for recorded in read_log(store, row.run_id):
        state.apply(recorded)
        order.apply(recorded)
    for frame in await store.frames(row.run_id):
        frames.apply(frame.scopes)
    outputs = {(output.node_id, output.iteration): output.output for output in await store.outputs(row.run_id)}
    return EarlierRun(state, order, frames.tree() if state.frame_no else None, outputs)


def check_redo(earlier: EarlierRun, redo: Iterable[str]) -> None:
    """Check that the earlier run has every node of `redo`.

    Raises:
        InvalidRequest: it lacks one; the remedy names similar ids.
    """
    known = {node_id for node_id, _ in earlier.state.nodes}
    for node_id in redo:
        if node_id not in known:
            near = ", ".join(get_close_matches(node_id, known))
            raise InvalidRequest(
                f"Run {earlier.run_id!r} has no node {node_id!r} that could run again.",
                remedy=f"Did you mean {near}?" if near else f"`smithers inspect {earlier.run_id}` lists its nodes.",
            )
