"""End the processes of shell attempts that have outlived their engine, before the run is resumed.

A command is killed with its engine (`posix/process/parent_death.py`), and the processes that it started soon after
(`daemon/guard.py`). But the guard may have been killed too, and an attempt must not run beside processes of the one
before it. Each process of an attempt carries a tag in its environment, and is recognised by that alone. The tag
contains the time of the run's start, since another store may have a run of the same id.

The processes get what a stop would have sent them: SIGTERM, and SIGKILL after the grace period. Processes on another
host, of another user, or without the environment that they inherited are not ended.
"""

import asyncio
from collections.abc import Iterator

from smithersd.core.kinds.registry import node_kind_named
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.log.states import AttemptState
from smithersd.limits import ATTEMPT_TAG_VARIABLE, STOP_GRACE_S
from smithersd.loggers import logger
from smithersd.posix.process.tagged import end_tagged

_log = logger(__name__)


def tag_of(run: RunState, key: NodeKey, attempt: int) -> str:
    """Return the tag of a shell attempt, `VARIABLE=VALUE`: unique, and the same after a resumption."""
    node_id, iteration = key
    return f"{ATTEMPT_TAG_VARIABLE}={run.run_id}/{node_id}/{iteration}/{attempt}/{run.started_at_ms}"


async def end_orphans(run: RunState) -> None:
    """End the processes of the shell attempts that are running according to the log. The caller holds the run's lease.

    The machine's processes are searched only if there are such attempts.
    """
    tags = frozenset(_tags_of_running_processes(run))
    if not tags:
        return
    ended, left = await asyncio.to_thread(end_tagged, tags, STOP_GRACE_S)
    if ended:
        _log.warning("%s: ended %d orphaned processes of its interrupted commands", run.run_id, ended)
    if left:
        _log.error("%s: processes %s of its interrupted commands cannot be ended", run.run_id, sorted(left))


def _tags_of_running_processes(run: RunState) -> Iterator[str]:
    for node in run.nodes.values():
        is_running = bool(node.attempts) and node.attempts[-1].state is AttemptState.IN_PROGRESS
        if is_running and node_kind_named(node.kind).has_process:
            yield tag_of(run, node.key, node.attempt)
