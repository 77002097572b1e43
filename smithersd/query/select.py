"""Select a run by a prefix of its id, or the only run or approval that can be meant."""

from collections.abc import Sequence

from smithersd.core.log.records import ApprovalRecord, NodeKey, WaitRecord
from smithersd.core.log.states import WaitKind
from smithersd.errors import ApprovalAmbiguous, ApprovalNotPending, InvalidRequest, RunNotFound
from smithersd.query.approvals import undecided_waits
from smithersd.store import Store
from smithersd.store.records import RunRow

_OFFERED_MAX = 10
"""How many runs an error lists at most."""


async def select_run(store: Store, prefix: str | None, *, or_newest: bool = False) -> RunRow:
    """Return the run with this id, or the only one whose id begins with it; with None the only live run.

    With `or_newest` None means the newest run if no run is live.

    Raises:
        RunNotFound: there is none.
        InvalidRequest: there are several.
    """
    if prefix is None:
        live = await store.runs(limit=_OFFERED_MAX + 1, is_live=True)
        return _only_live(live or (await store.runs(limit=1) if or_newest else []))
    found = await store.find_run(prefix)
    if found is not None:
        return found
    runs = await store.runs_with_prefix(prefix, limit=_OFFERED_MAX + 1) if prefix else []
    if not runs:
        raise RunNotFound(f"There is no run {prefix!r}.", remedy="`smithers ps --all` lists all runs.")
    if len(runs) > 1:
        raise InvalidRequest(f"{_count(runs)} runs have ids that begin with {prefix!r}.", remedy=_offer(runs))
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
    """Return the only pending approval of a run; if none is pending, the one that was decided last.

    So whoever repeats a decision learns that it stands, or who was first.

    Raises:
        ApprovalNotPending: none is pending, and none was decided.
        ApprovalAmbiguous: several are pending; details list them.
    """
    waits = await undecided_waits(store, run_id) or await _last_decided(store, run_id)
    if not waits:
        raise ApprovalNotPending(f"Run {run_id!r} has no pending approval.", remedy=f"See `smithers inspect {run_id}`.")
    if len(waits) > 1:
        raise ApprovalAmbiguous(
            f"{len(waits)} approvals of run {run_id!r} wait for a decision.",
            remedy="Name the node.",
            details={"pending": [{"nodeId": wait.key[0], "iteration": wait.key[1]} for wait in waits]},
        )
    return waits[0].key


async def _last_decided(store: Store, run_id: str) -> list[WaitRecord]:
    """Return the approval that was decided last, if any was; one that its driver has not applied yet counts too."""
    accepted_at_ms = {(row.node_id, row.iteration): row.created_at_ms for row in await store.requests(run_id)}
    decided = [
        (at_ms, wait)
        for wait in await store.waits(run_id, WaitKind.APPROVAL)
        if (at_ms := accepted_at_ms.get(wait.key, _decided_at_ms(wait))) is not None
    ]
    return [wait for _, wait in sorted(decided, key=lambda entry: entry[0])[-1:]]


def _decided_at_ms(wait: WaitRecord) -> int | None:
    decision = ApprovalRecord.of(wait).decision
    return None if decision is None else decision.decided_at_ms
