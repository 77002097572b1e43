"""What shell attempts left behind when their engine was killed: ended before the run goes on.

A command dies with its engine (`posix/process/parent_death.py`), and what it has started is ended soon after
(`daemon/guard.py`); but whoever killed the engine may have killed the guard too, and an attempt must not meet what is
left of the one before it. Each process of an attempt carries a tag in its environment, and is recognised by that
alone. The tag holds the run's start too, since another store may well have a run of the same name.

They get what a stop would have given them: SIGTERM, and after the grace SIGKILL. What runs on another host, as another
user, or threw its environment away stays.
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
    """Return the tag of a shell attempt, `VARIABLE=VALUE`, the same after a resumption and like no other's."""
    node_id, iteration = key
    return f"{ATTEMPT_TAG_VARIABLE}={run.run_id}/{node_id}/{iteration}/{attempt}/{run.started_at_ms}"


async def end_orphans(run: RunState) -> None:
    """End what is left of the shell attempts that the log has as running. The caller holds the run's lease.

    Looks at the machine's processes only where there are such attempts.
    """
    tags = frozenset(_tags_of_running_processes(run))
    if not tags:
        return
    ended, left = await asyncio.to_thread(end_tagged, tags, STOP_GRACE_S)
    if ended:
        _log.warning("%s: ended %d processes that its interrupted commands had left behind", run.run_id, ended)
    if left:
        _log.error("%s: processes %s of interrupted commands do not end", run.run_id, sorted(left))


def _tags_of_running_processes(run: RunState) -> Iterator[str]:
    for node in run.nodes.values():
        is_running = bool(node.attempts) and node.attempts[-1].state is AttemptState.IN_PROGRESS
        if is_running and node_kind_named(node.kind).has_process:
            yield tag_of(run, node.key, node.attempt)
