"""Which run and which approval somebody means who does not say it in full."""

from collections.abc import Sequence

from smithersd.errors import ApprovalAmbiguous, ApprovalNotPending, InvalidRequest, RunNotFound
from smithersd.query.approvals import undecided_rows
from smithersd.store import Store
from smithersd.store.records import ApprovalRow, RunRow

_OFFERED_MAX = 10
"""Runs that an error lists."""


async def select_run(store: Store, said: str | None, *, or_newest: bool = False) -> RunRow:
    """Return the run of this id, else the only one whose id begins so; with nothing said the only live one.

    `or_newest` is for whoever only looks: where no run is live, the newest is meant.

    Raises:
        RunNotFound: there is none.
        InvalidRequest: there are several.
    """
    if said is None:
        live = await store.runs(limit=_OFFERED_MAX + 1, is_live=True)
        return _only_live(live or (await store.runs(limit=1) if or_newest else []))
    found = await store.find_run(said)
    if found is not None:
        return found
    runs = await store.runs_with_prefix(said, limit=_OFFERED_MAX + 1) if said else []
    if not runs:
        raise RunNotFound(f"There is no run {said!r}.", remedy="`smithers ps --all` lists those that there are.")
    if len(runs) > 1:
        raise InvalidRequest(f"{_count(runs)} runs have ids that begin with {said!r}.", remedy=_offer(runs))
    return runs[0]


def _only_live(runs: Sequence[RunRow]) -> RunRow:
    if not runs:
        raise RunNotFound(
            "No run is live.",
            remedy="Name one that has ended (`smithers ps --all` lists them), or start one: smithers up WORKFLOW.py",
        )
    if len(runs) > 1:
        raise InvalidRequest(f"{_count(runs)} runs are live.", remedy=_offer(runs))
    return runs[0]


def _count(runs: Sequence[RunRow]) -> str:
    return str(len(runs)) if len(runs) <= _OFFERED_MAX else f"More than {_OFFERED_MAX}"


def _offer(runs: Sequence[RunRow]) -> str:
    offered = [f"  {run.run_id}  ({run.status})" for run in runs[:_OFFERED_MAX]]
    return "\n".join(["Name one:", *offered, *(["  ..."] if len(runs) > _OFFERED_MAX else [])])


async def select_approval(store: Store, run_id: str) -> ApprovalRow:
    """Return the only approval of a run that waits for a person, or where none does the one that was decided last.

    So who says a decision again hears that it stands, or who was first.

    Raises:
        ApprovalNotPending: none waits, and none was decided.
        ApprovalAmbiguous: several wait; details list them.
    """
    approvals = await undecided_rows(store, run_id) or await _last_decided(store, run_id)
    if not approvals:
        raise ApprovalNotPending(f"Run {run_id!r} waits for no decision.", remedy=f"See `smithers inspect {run_id}`.")
    if len(approvals) > 1:
        raise ApprovalAmbiguous(
            f"{len(approvals)} approvals of run {run_id!r} wait for a decision.",
            remedy="Name the node.",
            details={
                "pending": [{"nodeId": approval.node_id, "iteration": approval.iteration} for approval in approvals]
            },
        )
    return approvals[0]


async def _last_decided(store: Store, run_id: str) -> list[ApprovalRow]:
    """The approval that was decided last, if any was; a decision that waits in the inbox counts from when it came."""
    left = {(row.node_id, row.iteration): row.created_at_ms for row in await store.inbox(run_id)}
    decided = [
        (at_ms, approval)
        for approval in await store.approvals(run_id)
        if (at_ms := left.get((approval.node_id, approval.iteration), approval.decided_at_ms)) is not None
    ]
    return [approval for _, approval in sorted(decided, key=lambda one: one[0])[-1:]]
