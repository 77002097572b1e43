"""Which run and which approval somebody means who does not say it in full."""

from collections.abc import Sequence

from smithersd.core.log.records import ApprovalRecord, NodeKey, WaitRecord
from smithersd.core.log.states import WaitKind
from smithersd.errors import ApprovalAmbiguous, ApprovalNotPending, InvalidRequest, RunNotFound
from smithersd.query.approvals import undecided_waits
from smithersd.store import Store
from smithersd.store.records import RunRow

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


async def select_approval(store: Store, run_id: str) -> NodeKey:
    """Return the only approval of a run that waits for a person, or where none does the one that was decided last.

    So who says a decision again hears that it stands, or who was first.

    Raises:
        ApprovalNotPending: none waits, and none was decided.
        ApprovalAmbiguous: several wait; details list them.
    """
    waits = await undecided_waits(store, run_id) or await _last_decided(store, run_id)
    if not waits:
        raise ApprovalNotPending(f"Run {run_id!r} waits for no decision.", remedy=f"See `smithers inspect {run_id}`.")
    if len(waits) > 1:
        raise ApprovalAmbiguous(
            f"{len(waits)} approvals of run {run_id!r} wait for a decision.",
            remedy="Name the node.",
            details={"pending": [{"nodeId": wait.key[0], "iteration": wait.key[1]} for wait in waits]},
        )
    return waits[0].key


async def _last_decided(store: Store, run_id: str) -> list[WaitRecord]:
    """The approval that was decided last, if any was; a decision that its driver has not applied yet counts too."""
    accepted_at_ms = {(row.node_id, row.iteration): row.created_at_ms for row in await store.requests(run_id)}
    decided = [
        (at_ms, wait)
        for wait in await store.waits(run_id, WaitKind.APPROVAL)
        if (at_ms := accepted_at_ms.get(wait.key, _decided_at_ms(wait))) is not None
    ]
    return [wait for _, wait in sorted(decided, key=lambda one: one[0])[-1:]]


def _decided_at_ms(wait: WaitRecord) -> int | None:
    decision = ApprovalRecord.of(wait).decision
    return None if decision is None else decision.decided_at_ms
