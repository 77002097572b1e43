"""The flow between two commits: what a store can only show by chance."""

from typing import Any

from smithersd import Approval, Context, Decision, Parallel, Task, Workflow, workflow
from smithersd.core.flow.flow import Flow
from smithersd.core.log import events
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.errors import ErrorInfo

APPROVAL: NodeKey = ("approval", 0)


def begun(flow_of: Workflow[Any]) -> Flow:
    flow = Flow(flow_of, state=RunState("r"), input=None, max_concurrency=4, chance=lambda: 0.0)
    flow.begin(0)
    flow.take_step()
    return flow


def decision(*, approved: bool) -> Decision:
    return Decision(approved=approved, decided_by="ann", decided_at_ms=1)


def dropping(ctx: Context[Any]) -> Any:
    approval = [] if ctx.latest("a") else [Approval("approval")]
    return Parallel(Approval("a"), *approval, Approval("b"))


def test_the_denial_of_a_approval_that_is_being_dropped_stands_and_does_not_fail_the_run() -> None:
    """The approval's cancellation was about to be written when the inbox turned out to hold its denial."""
    flow = begun(workflow(dropping))
    flow.decide(("a", 0), decision(approved=True), 1)
    flow.advance(1)
    (closing,) = flow.closing()
    assert isinstance(closing.event, events.NodeCancelled)
    flow.decide(("approval", 0), decision(approved=False), 2)
    flow.advance(2)
    assert flow.closing() == []
    assert flow.ending is None
    assert flow.state.nodes[APPROVAL].state == "failed"


def test_a_node_that_is_being_dropped_and_appears_again_stays_dropped() -> None:
    """The tree has it again before its cancellation could be written: it ends all the same."""

    def flickering(ctx: Context[Any]) -> Any:
        is_there = ctx.latest("a") is None or ctx.latest("b") is not None
        return Parallel(Approval("a"), Approval("b"), *([Approval("approval")] if is_there else []))

    flow = begun(workflow(flickering))
    flow.decide(("a", 0), decision(approved=True), 1)
    flow.advance(1)
    assert len(flow.closing()) == 1
    flow.decide(("b", 0), decision(approved=True), 2)
    flow.advance(2)
    cancelled, finished = flow.closing()
    assert isinstance(cancelled.event, events.NodeCancelled)
    assert isinstance(finished.event, events.RunFinished)


def test_an_attempt_that_fails_before_it_hears_of_the_suspension_keeps_its_retries() -> None:
    """The suspension is decided, and being written, when the attempt fails by its own fault."""
    flow = begun(Workflow(lambda _: Task("a", print, retries=1), name="late"))
    flow.suspend(1, "test")
    flow.advance(1)
    assert flow.take_step().stops == [("a", 0)]
    flow.failed(("a", 0), 1, ErrorInfo("TASK_FAILED", "ValueError", "its own"), 2)
    flow.advance(2)
    failed, retrying = flow.take_step().events
    assert isinstance(failed.event, events.NodeFailed)
    assert isinstance(retrying.event, events.NodeRetrying)
    (suspended,) = flow.closing()
    assert isinstance(suspended.event, events.RunSuspended)
