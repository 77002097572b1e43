"""Leases: the right to drive a run. A lease runs out by the database's clock; the fence says whose writes count."""

import json
from collections.abc import Callable

from smithersd.errors import LeaseLost, RunIsDriven
from smithersd.store.reading import no_such_run, run_row
from smithersd.store.records import Lease, RequestRow
from smithersd.store.requests import next_request_rows
from smithersd.store.statements import Statement, Transaction


def take_lease(
    run_id: str, owner: str, is_dead: Callable[[str], bool], *, force: bool, lease_ms: int
) -> Transaction[Lease]:
    """Raise the fence of a run and make `owner` its owner.

    Raises:
        RunNotFound: there is no such run.
        RunIsDriven: another owner, not known to be dead, holds the lease, and `force` is off.
    """
    yield from _checked_holder("select_lease", run_id, is_dead, force=force)
    yield Statement("end_former_writer", {"run_id": run_id})
    holder = yield from _checked_holder("lock_lease", run_id, is_dead, force=force)
    fence = (yield Statement("take_lease", {"run_id": run_id, "owner": owner, "lease_ms": lease_ms}))[0]["fence"]
    run = yield from run_row(run_id)
    return Lease(run, fence, former_owner=holder)


def _checked_holder(
    statement: str, run_id: str, is_dead: Callable[[str], bool], *, force: bool
) -> Transaction[str | None]:
    """Return the holder of the lease, or None; raise RunIsDriven if the lease may not be taken from it."""
    rows = yield Statement(statement, {"run_id": run_id})
    if not rows:
        raise no_such_run(run_id)
    holder, has_time_left = rows[0]["owner"], rows[0]["has_time_left"]
    if holder is not None and has_time_left and not force and not is_dead(holder):
        raise _is_driven(run_id, holder)
    return None if holder is None else str(holder)


def renew_lease(run_id: str, fence: int, lease_ms: int) -> Transaction[None]:
    """Renew the lease for its full duration.

    Raises:
        LeaseLost: the fence was raised, or the lease was given back.
    """
    rows = yield Statement("renew_lease", {"run_id": run_id, "fence": fence, "lease_ms": lease_ms})
    if not rows:
        raise _is_lost(run_id)


def mark_crashed(run_id: str, fence: int, owner: str) -> Transaction[None]:
    """End the lease of a driver that has crashed, which can write nothing more; do nothing if the lease was lost."""
    yield Statement("mark_crashed", {"run_id": run_id, "fence": fence, "owner": owner})


def holds_lease(run_id: str, fence: int) -> Transaction[bool]:
    """Return whether the lease of this fence has time left, or the run has ended and needs none."""
    return bool((yield Statement("holds_lease", {"run_id": run_id, "fence": fence})))


def driver_requests(run_id: str, fence: int) -> Transaction[list[RequestRow]]:
    """Return the requests that the driver has to apply, the oldest first, after checking that it is still the driver.

    Raises:
        LeaseLost: the fence was raised.
    """
    if not (yield Statement("is_fence", {"run_id": run_id, "fence": fence})):
        raise _is_lost(run_id)
    return (yield from next_request_rows(run_id))


def release_lease(run_id: str, fence: int) -> Transaction[None]:
    """Give the lease back; do nothing if it was lost."""
    yield Statement("release_lease", {"run_id": run_id, "fence": fence})


def _is_driven(run_id: str, holder: str) -> RunIsDriven:
    owner = json.loads(holder)
    return RunIsDriven(
        f"Run {run_id!r} is driven by process {owner.get('pid')} on {owner.get('host')}.",
        remedy="Stop that process first, wait for its end with --standby, or take over the run with --force.",
    )


def _is_lost(run_id: str) -> LeaseLost:
    return LeaseLost(
        f"Run {run_id!r} was taken over by another driver.",
        remedy="Let the other driver continue; this one has written nothing since.",
    )
