"""Leases: who may drive a run. The database's clock says when one has run out; the fence says whose writes count."""

import json
from collections.abc import Callable

from smithersd.errors import LeaseLost, RunIsDriven
from smithersd.store.commit import LEASE_MS
from smithersd.store.reading import no_such_run, run_row
from smithersd.store.records import Lease
from smithersd.store.statements import Statement, Transaction


def take_lease(run_id: str, owner: str, is_dead: Callable[[str], bool], *, force: bool) -> Transaction[Lease]:
    """Raise the fence and put the owner's name on the run.

    Raises:
        RunNotFound: there is no such run.
        RunIsDriven: another owner holds the lease, is not known to be dead, and `force` is off.
    """
    rows = yield Statement("lock_lease", (run_id,))
    if not rows:
        raise no_such_run(run_id)
    holder, has_time_left = rows[0]
    if holder is not None and has_time_left and not force and not is_dead(holder):
        raise _is_driven(run_id, holder)
    fence = (yield Statement("take_lease", (run_id, owner, LEASE_MS)))[0][0]
    run = yield from run_row(run_id)
    return Lease(run, fence, is_taken_over=holder is not None)


def renew_lease(run_id: str, fence: int) -> Transaction[None]:
    """Give the lease its full time again.

    Raises:
        LeaseLost: the fence was raised.
    """
    rows = yield Statement("renew_lease", (run_id, fence, LEASE_MS))
    if not rows:
        raise LeaseLost(f"Run {run_id!r} was taken over by another driver.", remedy="Let that one go on.")


def release_lease(run_id: str, fence: int) -> Transaction[None]:
    """Give the lease back; a lease that was lost is not touched."""
    yield Statement("release_lease", (run_id, fence))


def _is_driven(run_id: str, holder: str) -> RunIsDriven:
    owner = json.loads(holder)
    return RunIsDriven(
        f"Run {run_id!r} is driven by process {owner.get('pid')} on {owner.get('host')}.",
        remedy="Stop that one first, or take the run from it with --force.",
    )
