"""The real engine on real SQLite over random trees and random histories, on a virtual clock.

What is proved, by name (the log and the tables of every run are checked by `tests/support/invariants.py`, too):

- a node that has ended never starts again, and runs one attempt at a time
- after any crash and any resumption the outputs are those of an undisturbed run
- seq is dense; there is exactly one terminal event, and it is the last
- what the tables say is what the log says
- a run that is driven and idle waits for somebody, for time or for an attempt; else it has ended
- nothing that was accepted is without effect: decisions stand in the log, a cancel ends the run
- no attempt runs before its NodeStarted is durable, and never more at once than the limits allow
"""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smithersd.core.log.fold import RunState
from smithersd.core.log.states import RunStatus
from smithersd.limits import CRASHES_IN_A_ROW_MAX
from tests.properties.trees import Spec, trees
from tests.properties.world import RUN_ID, World, a_world
from tests.support.invariants import check_run

STIMULI_MAX = 1_000
CRASHES_MAX = CRASHES_IN_A_ROW_MAX
"""One more in a row may fail a run that would have finished undisturbed."""
fast = settings(max_examples=25, suppress_health_check=list(HealthCheck))
long = settings(max_examples=1_000, suppress_health_check=list(HealthCheck))


async def come_to_end(world: World) -> None:
    """Do one thing after the other until the run has ended; nothing is left to chance."""
    for _ in range(STIMULI_MAX):
        if not world.is_alive:
            return
        if world.endable:
            await world.end_attempts(world.endable[:1])
        elif world.may_time_pass:
            await world.pass_time()
        else:
            approvals, signals = await world.open_approvals(), await world.listening()
            assert approvals or signals or not world.is_alive, "the run is driven, idle, and waits for nobody"
            if approvals:
                await world.decide(approvals[0])
            elif signals:
                await world.send(signals[0])
    raise AssertionError("the run does not come to an end")


async def be_disturbed(world: World, draw: Any, *, may_end: bool) -> None:  # noqa: C901, PLR0912 - one arm a stimulus
    """Let drawn things happen until the run has ended."""
    crashes_left = CRASHES_MAX
    for _ in range(STIMULI_MAX):
        if not world.is_alive and await _is_over(world):
            return
        approvals = [] if world.is_cancel_accepted else await world.open_approvals()
        choices = ["end"] * 3 * bool(world.endable) + ["decide"] * bool(approvals)
        choices += ["send"] * (bool(world.sendable) and not world.is_cancel_accepted and await _has_begun(world))
        choices += ["cancel"] * (may_end and not world.is_cancel_accepted and await _has_begun(world))
        if world.is_alive:
            choices += ["time"] * world.may_time_pass
            choices += ["suspend", "die"] * bool(crashes_left)
            assert choices or world.running, "the run is driven, idle, and waits for nobody"
        else:
            choices += ["live"] * 2 + ["live briefly"] * bool(crashes_left)
        match draw(st.sampled_from(choices or ["time"])):
            case "end":
                await world.end_attempts(sorted(draw(st.sets(st.sampled_from(world.endable), min_size=1))))
            case "decide":
                await world.decide(draw(st.sampled_from(approvals)))
            case "send":
                await world.send(draw(st.sampled_from(world.sendable)))
            case "cancel":
                await world.cancel()
            case "time":
                await world.pass_time()
            case "suspend":
                crashes_left -= 1
                await world.suspend()
            case "die":
                crashes_left -= 1
                world.die_soon(commits=draw(st.integers(1, 3)), is_written=draw(st.booleans()))
            case "live briefly":
                crashes_left -= 1
                await world.live(dies_at=draw(st.integers(1, 3)), is_written=draw(st.booleans()))
            case "live":
                await world.live()
    raise AssertionError("the run does not come to an end")


async def _has_begun(world: World) -> bool:
    return await world.store.find_run(RUN_ID) is not None


async def _is_over(world: World) -> bool:
    return await _has_begun(world) and (await world.status()).is_final


async def outcome(world: World) -> tuple[RunState, dict[str, Any]]:
    """Check the run as it stands; return its state and its outputs, persons and times left out."""
    state = await check_run(world.store, RUN_ID)
    for key, person in world.accepted:
        approval = state.nodes[key].approval
        assert approval is not None
        assert approval.decision is not None
        assert approval.decision.decided_by == person, f"the decision about {key[0]} was accepted and is without effect"
    if world.is_cancel_accepted:
        assert state.status is RunStatus.CANCELLED, f"a cancel was accepted and the run {state.status}"
    outputs = {row.node_id: json.loads(row.output) for row in await world.store.outputs(RUN_ID)}
    for node_id, output in outputs.items():
        if state.nodes[node_id, 0].kind == "approval":
            outputs[node_id] = output["approved"]
    return state, _without_decisions(outputs)


def _without_decisions(value: Any) -> Any:
    """Decisions among arguments: who and when is another thing each time."""
    match value:
        case {"approved": approved, "decided_at_ms": _}:
            return approved
        case dict():
            return {key: _without_decisions(one) for key, one in value.items()}
        case list():
            return [_without_decisions(one) for one in value]
        case _:
            return value


async def calm_outcome(spec: Spec) -> tuple[RunState, dict[str, Any], int]:
    async with a_world(spec) as world:
        await world.live()
        await come_to_end(world)
        return *await outcome(world), world.commits


async def prove_disturbed_equals_calm(spec: Spec, data: st.DataObject) -> None:
    calm, outputs, _ = await calm_outcome(spec)
    async with a_world(spec) as world:
        await world.live()
        await be_disturbed(world, data.draw, may_end=False)
        state, disturbed_outputs = await outcome(world)
    assert state.status is calm.status, state.error
    if calm.status is RunStatus.FINISHED:
        assert disturbed_outputs == outputs
        assert {key: node.state for key, node in state.nodes.items()} == {k: n.state for k, n in calm.nodes.items()}


async def prove_invariants(spec: Spec, data: st.DataObject) -> None:
    async with a_world(spec) as world:
        await world.live()
        await be_disturbed(world, data.draw, may_end=True)
        await outcome(world)


async def prove_every_crash_is_healed(spec: Spec) -> None:
    calm, outputs, commits = await calm_outcome(spec)
    for commit in range(1, commits + 1):
        for is_written in (False, True):
            async with a_world(spec) as world:
                await world.live(dies_at=commit, is_written=is_written)
                await come_to_end(world)
                if not await _is_over(world):
                    await world.live()
                    await come_to_end(world)
                state, healed_outputs = await outcome(world)
            assert state.status is calm.status, (commit, is_written, state.error)
            if calm.status is RunStatus.FINISHED:
                assert healed_outputs == outputs, (commit, is_written)


@given(trees(), st.data())
@fast
def test_a_disturbed_run_ends_like_an_undisturbed_one(spec: Spec, data: st.DataObject) -> None:
    asyncio.run(prove_disturbed_equals_calm(spec, data))


@given(trees(), st.data())
@fast
def test_a_run_ends_the_same_when_no_output_stays_in_memory(spec: Spec, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as limits:
        limits.setattr("smithersd.core.flow.outputs.OUTPUTS_HELD_BYTES_MAX", 0)
        limits.setattr("smithersd.store.reading.OUTPUT_SMALL_LENGTH", -1)
        asyncio.run(prove_disturbed_equals_calm(spec, data))


@given(trees(may_vanish=True), st.data())
@fast
def test_every_invariant_holds_whatever_happens(spec: Spec, data: st.DataObject) -> None:
    asyncio.run(prove_invariants(spec, data))


@given(trees())
@settings(fast, max_examples=4)
def test_a_crash_at_each_commit_is_healed(spec: Spec) -> None:
    asyncio.run(prove_every_crash_is_healed(spec))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@given(trees(), st.data())
@long
def test_many_disturbed_runs_end_like_undisturbed_ones(spec: Spec, data: st.DataObject) -> None:
    asyncio.run(prove_disturbed_equals_calm(spec, data))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@given(trees(may_vanish=True), st.data())
@long
def test_every_invariant_holds_whatever_happens_many_times(spec: Spec, data: st.DataObject) -> None:
    asyncio.run(prove_invariants(spec, data))


@pytest.mark.slow
@pytest.mark.timeout(1_200)
@given(trees())
@settings(long, max_examples=150)
def test_a_crash_at_each_commit_of_many_runs_is_healed(spec: Spec) -> None:
    asyncio.run(prove_every_crash_is_healed(spec))
