"""What is kept at its limit of nesting can be read again: by a resumption, and by whoever looks at the run."""

import functools
from typing import Any

import pytest

from smithersd import Approval, Sequence, Store, Task, task_context, workflow
from smithersd.client import StoredRun
from smithersd.core.log.states import RunStatus
from smithersd.elements import Child, Decision
from smithersd.errors import WorkflowError
from smithersd.limits import JSON_DEPTH_MAX, TREE_DEPTH_MAX
from tests.support.runs import RUN_ID, driven, run, until_state

OUTPUT_DEPTH_MAX = 200
"""What pydantic reads."""


def nested(depth: int) -> Any:
    innermost: Any = 1
    return functools.reduce(lambda inner, index: {"a": inner} if index % 2 else [inner], range(depth), innermost)


def within(depth: int, child: Child) -> Child:
    """A child with so many containers around it."""
    return functools.reduce(lambda inner, _: Sequence(inner), range(depth), child)


async def beats() -> Any:
    task_context().heartbeat(nested(JSON_DEPTH_MAX))
    return nested(OUTPUT_DEPTH_MAX)


async def test_a_run_whose_every_value_is_as_deep_as_it_may_be_can_be_read_and_resumed(store: Store) -> None:
    beating = Task("beats", beats)
    approval = Approval("approval", metadata=nested(JSON_DEPTH_MAX), show=beating)

    @workflow
    def deep(_: Any) -> Any:
        return within(TREE_DEPTH_MAX - 2, Sequence(beating, approval, Task("after", beats, depends_on=["approval"])))

    async with driven(deep, store, input=nested(JSON_DEPTH_MAX)):
        await until_state(store, lambda state: state.status is RunStatus.WAITING_APPROVAL)
    snapshot = await StoredRun(store, RUN_ID).snapshot()
    [asked] = snapshot.approvals
    assert asked.metadata == nested(JSON_DEPTH_MAX)
    assert asked.shown == nested(OUTPUT_DEPTH_MAX)
    assert snapshot.node_ids == ["beats", "approval", "after"]
    async with driven(deep, store) as (_, driving):
        decision = Decision(approved=True, decided_at_ms=1, decision=nested(JSON_DEPTH_MAX))
        await store.submit_decision(RUN_ID, "approval", None, decision)
        assert await driving is RunStatus.FINISHED
    assert (await StoredRun(store, RUN_ID).snapshot()).state.status is RunStatus.FINISHED


async def test_a_tree_is_refused_before_its_frame_is_too_deep_to_be_read(store: Store) -> None:
    @workflow
    def deep(_: Any) -> Any:
        return within(TREE_DEPTH_MAX, Task("a", beats))

    with pytest.raises(WorkflowError, match=f"more than {TREE_DEPTH_MAX} elements deep"):
        await run(deep, store)
    assert await store.find_run(RUN_ID) is None
