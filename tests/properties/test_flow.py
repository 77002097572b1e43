"""The pure flow over random trees and random histories: finish, fail, decide, cancel, suspend, crash, resume.

Invariants, by name:

I1  a node that has ended never starts again
I2  seq is dense from 0
I3  there is exactly one terminal event, and it is last
I4  a run that neither waits nor has ended has something that runs, is ready, backs off or is about to close
I5  no attempt runs before its NodeStarted is durable, and never two of one node at once
I6  after any crash and resume the outputs equal those of an undisturbed run
I7  fold(log) is the state that the flow holds
I8  no more attempts run at once than a Parallel's cap and the run's limit allow
I9  a signal is delivered once, refused or kept
"""

import json
from dataclasses import asdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from smithersd.core.flow.flow import Flow
from smithersd.core.flow.outputs import Outputs
from smithersd.core.log import events
from smithersd.core.log.event_json import decode, encode
from smithersd.core.log.events import TERMINAL_TYPES, Recorded
from smithersd.core.log.fold import RunState, fold
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.core.reuse.earlier import EarlierRun, Order
from smithersd.core.tree.frames import FrameTree
from smithersd.elements import Decision
from smithersd.errors import ErrorInfo
from tests.properties.trees import (
    RETRY_AFTER_S,
    ApprovalSpec,
    SignalSpec,
    Spec,
    TaskSpec,
    data_of,
    leaves,
    trees,
    workflow_of,
)

LIMIT = 3
_TAKEN = (events.SignalDelivered, events.SignalRefused)
NOW_MS = 1_700_000_000_000


class World:
    """A driver of the flow whose disk is a list: it can crash between any two commits."""

    def __init__(
        self,
        spec: Spec,
        *,
        earlier: EarlierRun | None = None,
        redo: tuple[str, ...] = (),
        mended: frozenset[str] = frozenset(),
        timeout_s: int | None = None,
    ) -> None:
        """A new run, or one that takes over what an earlier one has done; tasks that are `mended` do not fail."""
        self.specs = {one.id: one for one in leaves(spec)}
        self.earlier = earlier
        self.mended = mended
        self.workflow = workflow_of(spec, timeout_s=timeout_s)
        self.log: list[Recorded] = []
        self.outputs: dict[NodeKey, str] = {}
        self.frames: list[str] = []
        self.running: dict[NodeKey, int] = {}
        self.unsent = {one.id: list(data_of(one)) for one in leaves(spec) if isinstance(one, SignalSpec)}
        self.now_ms = NOW_MS
        self.fence = 1
        self.flow = self._new_flow(RunState("r"))
        self.flow.begin(self.now_ms, from_run_id=None if earlier is None else earlier.run_id, redo=redo)
        self.commit()

    def as_earlier(self) -> EarlierRun:
        """This run as one that takes it over finds it."""
        state, order, frames = RunState("r"), Order(), FrameTree()
        for recorded in self._read_back():
            state.apply(recorded)
            order.apply(recorded)
        for scopes in self.frames:
            frames.apply(scopes)
        return EarlierRun(state, order, frames.tree(), dict(self.outputs))

    def _new_flow(self, state: RunState) -> Flow:
        frames, outputs = FrameTree(), Outputs()
        for scopes in self.frames:
            frames.apply(scopes)
        for key, text in self.outputs.items():
            outputs.put(key, text)
        return Flow(
            self.workflow,
            state=state,
            input=None,
            max_concurrency=LIMIT,
            chance=lambda: 0.0,
            frames=frames,
            outputs=outputs,
            earlier=self.earlier,
        )

    # Stimuli

    def end_attempt(self, key: NodeKey) -> None:
        attempt = self.running.pop(key)
        spec = self.specs[key[0]]
        assert isinstance(spec, TaskSpec)
        if key[0] not in self.mended and self.flow.state.nodes[key].failures < spec.failures:
            self.flow.failed(
                key,
                attempt,
                ErrorInfo("TASK_FAILED", "E", "drawn to fail"),
                self.now_ms,
                is_retryable=spec.raises != "permanent",
                retry_delay_s=RETRY_AFTER_S if spec.raises == "retry after" else None,
            )
        else:
            self.flow.succeeded(key, attempt, json.dumps(spec.id), self.now_ms)

    def decide(self, key: NodeKey) -> None:
        spec = self.specs[key[0]]
        assert isinstance(spec, TaskSpec | ApprovalSpec)
        decision = Decision(approved=not spec.is_denied, decided_by="p", decided_at_ms=self.now_ms)
        self.flow.decide(key, decision, self.now_ms)

    def send(self, name: str) -> None:
        self.flow.receive(events.SignalReceived(name, self.unsent[name].pop(0), self.now_ms), self.now_ms)

    def pass_time(self) -> None:
        due = [at_ms for at_ms in (self.flow.next_due_ms, self.flow.deadline_ms) if at_ms is not None]
        self.now_ms = max(self.now_ms, min(due, default=0))

    def crash_and_resume(self) -> None:
        self.running.clear()
        self.flow = self._new_flow(fold("r", self._read_back()))
        self.fence += 1
        self.flow.resume(self.now_ms, fence=self.fence, is_workflow_changed=False)
        self.commit()

    def _read_back(self) -> list[Recorded]:
        return [Recorded(r.seq, r.timestamp_ms, decode(encode(r.event, "r", r.timestamp_ms))) for r in self.log]

    # Turns

    def turn(self, *, crashes_before_commit: bool = False) -> None:
        self.now_ms += 1
        self.flow.advance(self.now_ms)
        if crashes_before_commit:
            self.crash_and_resume()
        else:
            self.commit()

    def commit(self) -> None:
        while True:
            step = self.flow.take_step()
            closing = self.flow.closing()
            self._write(step.events)
            self.outputs.update({key: text for key, text, _ in step.outputs})
            self.frames.extend(json.dumps(frame.scopes) for frame in step.frames)
            self._write(closing)
            self.flow.close(closing)
            for start in step.starts:
                assert start.key not in self.running, f"I5: {start.key} runs twice"
                self.running[start.key] = start.attempt
            self.check()
            stopped = [key for key in step.stops if key in self.running]
            for key in stopped:
                self.flow.stopped(key, self.running.pop(key), self.now_ms)
            if not stopped:
                return
            self.flow.advance(self.now_ms)

    def _write(self, recorded: list[Recorded]) -> None:
        for one in recorded:
            event = one.event
            if isinstance(event, events.NodeStarted):
                ended = [r.event for r in self.log if isinstance(r.event, (events.NodeFinished, events.NodeSkipped))]
                assert all(e.node_id != event.node_id for e in ended), f"I1: {event.node_id} started again"
            self.log.append(one)

    def check(self) -> None:
        received = {r.seq for r in self.log if isinstance(r.event, events.SignalReceived)}
        taken = [r.event.signal_seq for r in self.log if isinstance(r.event, _TAKEN)]
        assert len(taken) == len(set(taken)), "I9: a signal was delivered twice"
        assert self.flow.state.signals.count == len(received - set(taken)), "I9: a signal is neither kept nor delivered"
        assert [r.seq for r in self.log] == list(range(len(self.log))), "I2: seq is not dense"
        terminal = [r.seq for r in self.log if type(r.event).__name__ in TERMINAL_TYPES]
        assert terminal in ([], [len(self.log) - 1]), "I3: a terminal event is not last"
        state = fold("r", self._read_back())
        assert _comparable(state) == _comparable(self.flow.state), "I7: the fold differs from the state"
        assert len(self.running) <= LIMIT, "I8: more attempts than the run's limit"
        if not self.flow.is_over and not self.flow.state.status.is_waiting:
            assert self.is_alive, f"I4: {state.status} and nothing goes on"
        if self.flow.state.status.is_waiting:
            assert not self.running
            assert self.waiting or self.listening or self.flow.next_due_ms is not None, (
                "I4: waits for nobody and no time"
            )

    @property
    def is_alive(self) -> bool:
        flow = self.flow
        return bool(self.running or flow.ready_count or flow.next_due_ms is not None or flow.ending or flow.running)

    @property
    def sendable(self) -> list[str]:
        return sorted(name for name, data in self.unsent.items() if data)

    @property
    def listening(self) -> list[str]:
        """Signals that are awaited and that nobody has sent."""
        nodes = self.flow.state.nodes
        return [name for name in self.sendable if (name, 0) in nodes and nodes[name, 0].state.is_waiting]

    @property
    def waiting(self) -> list[NodeKey]:
        return [key for key, node in self.flow.state.nodes.items() if node.state is NodeState.WAITING_APPROVAL]


def _comparable(state: RunState) -> dict[str, Any]:
    facts = asdict(state)
    facts["counts"] = {key: count for key, count in facts["counts"].items() if count}
    return facts


def run_undisturbed(spec: Spec) -> World:
    world = World(spec)
    for _ in range(2_000):
        if world.flow.is_over:
            return world
        if world.running:
            world.end_attempt(next(iter(world.running)))
        elif world.waiting:
            world.decide(world.waiting[0])
        elif world.listening:
            world.send(world.listening[0])
        else:
            world.pass_time()
        world.turn()
    raise AssertionError("the run does not come to an end")


def disturb(world: World, draw: Any, *, may_end: bool) -> None:  # noqa: C901, PLR0912 - one arm a stimulus
    """Run to the end by drawn stimuli, with crashes and suspensions in between."""
    crashes_left = 6
    crashed: dict[str, int] = {}
    for _ in range(2_000):
        if world.flow.state.status.is_final:
            return
        if world.flow.state.status is RunStatus.SUSPENDED:
            world.crash_and_resume()
            continue
        choices = ["attempt"] * 3 * bool(world.running) + ["decide"] * bool(world.waiting)
        choices += ["send"] * bool(world.sendable) + ["time"]
        choices += ["crash", "crash-unwritten", "suspend"] * bool(crashes_left) + ["cancel"] * may_end
        choice = draw(st.sampled_from(choices))
        if choice == "attempt":
            for key in draw(st.sets(st.sampled_from(sorted(world.running)), min_size=1)):
                world.end_attempt(key)
        elif choice == "decide":
            world.decide(draw(st.sampled_from(sorted(world.waiting))))
        elif choice == "send":
            world.send(draw(st.sampled_from(world.sendable)))
        elif choice == "time":
            world.pass_time()
        elif choice == "cancel":
            world.flow.cancel(world.now_ms)
        elif choice == "suspend":
            crashes_left -= 1
            world.flow.suspend(world.now_ms, "test")
        elif any(crashed.get(key[0], 0) >= 3 for key in world.running):
            continue  # the fourth crash in a row fails a node by design: a test of its own
        else:
            crashes_left -= 1
            for key in world.running:
                crashed[key[0]] = crashed.get(key[0], 0) + 1
            world.turn(crashes_before_commit=choice == "crash-unwritten")
            if choice == "crash":
                world.crash_and_resume()
            continue
        world.turn()
    raise AssertionError("the run does not come to an end")


@given(trees(has_shells=True))
@settings(max_examples=150)
def test_every_tree_comes_to_an_end(spec: Spec) -> None:
    world = run_undisturbed(spec)
    for key, node in world.flow.state.nodes.items():
        if world.flow.state.status is RunStatus.FINISHED:
            assert node.state.is_final, f"{key} is {node.state} in a finished run"


@given(trees(has_shells=True), st.data())
@settings(max_examples=150)
def test_a_disturbed_run_ends_like_an_undisturbed_one(spec: Spec, data: st.DataObject) -> None:
    calm = run_undisturbed(spec)
    world = World(spec)
    disturb(world, data.draw, may_end=False)
    if calm.flow.state.status is RunStatus.FINISHED:
        assert world.flow.state.status is RunStatus.FINISHED, world.flow.state.error
        assert _without_times(world) == _without_times(calm), "I6: outputs differ"
    else:
        assert world.flow.state.status is calm.flow.state.status


@given(trees(may_vanish=True, has_shells=True), st.data())
@settings(max_examples=150)
def test_a_run_whose_nodes_vanish_keeps_every_invariant(spec: Spec, data: st.DataObject) -> None:
    world = World(spec)
    disturb(world, data.draw, may_end=False)
    if world.flow.state.status is RunStatus.FINISHED:
        assert all(node.state.is_final for node in world.flow.state.nodes.values())


@given(trees(may_vanish=True, has_shells=True), st.data())
@settings(max_examples=150)
def test_a_cancel_at_any_moment_ends_the_run(spec: Spec, data: st.DataObject) -> None:
    world = World(spec)
    disturb(world, data.draw, may_end=True)
    state = world.flow.state
    if state.status is RunStatus.CANCELLED:
        begun = [n for n in state.nodes.values() if n.attempts or n.approval]
        assert all(node.state.is_final for node in begun)


@given(trees(may_vanish=True, has_shells=True), st.data(), st.sampled_from([1, 5, 60, 3_600]))
@settings(max_examples=100)
def test_a_run_with_a_timeout_keeps_every_invariant(spec: Spec, data: st.DataObject, timeout_s: int) -> None:
    world = World(spec, timeout_s=timeout_s)
    disturb(world, data.draw, may_end=True)
    state = world.flow.state
    assert state.times_out_at_ms == NOW_MS + 1_000 * timeout_s
    if state.error is not None and state.error.code == "RUN_TIMEOUT":
        assert state.finished_at_ms is not None
        assert state.finished_at_ms >= state.times_out_at_ms
        assert all(node.state.is_final for node in state.nodes.values() if node.attempts or node.approval)


def _without_times(world: World) -> dict[NodeKey, Any]:
    outputs = {}
    for key, text in world.outputs.items():
        value = json.loads(text)
        if world.flow.state.nodes[key].kind == "approval":
            value = {name: one for name, one in value.items() if name != "decided_at_ms"}
        outputs[key] = value
    return outputs
