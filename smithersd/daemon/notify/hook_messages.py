"""The JSON document that a hook reads on its stdin, with all that is needed to act."""

from collections.abc import Collection, Sequence
from pathlib import Path

import pydantic_core

from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import RunStatus
from smithersd.daemon import command_lines
from smithersd.daemon.notify.waiting import read_waiting
from smithersd.daemon.report import StartedRun
from smithersd.query.json import Json, approval_json, error_json, run_json
from smithersd.store import Store

_CAN_BE_TAKEN_OVER = {RunStatus.FAILED, RunStatus.CANCELLED}


async def wait_message(
    started_run: StartedRun, waiting: Sequence[NodeRecord], store: Store, *, new: Collection[NodeKey]
) -> bytes:
    """Return the message for --on-wait: all approvals that wait; those in `new` were not sent before.

    Raises:
        StoreUnavailable: the output that an approval shows cannot be read.
    """
    approvals = [await _approval(started_run, node, store, is_new=node.key in new) for node in waiting]
    state = started_run.engine.state
    names = {"runId": state.run_id, "workflowName": state.workflow_name}
    return _written({**names, **_place(started_run), "approvals": approvals})


def end_message(started_run: StartedRun) -> bytes:
    """Return the message for --on-fail and --on-end: the run's end, and the commands to inspect and to continue it."""
    state = started_run.engine.state
    start_from = command_lines.start_from(state.run_id, started_run.workflow, storage=started_run.storage)
    return _written(
        {
            **run_json(state),
            **_place(started_run),
            "error": error_json(state.error),
            "inspectCommand": command_lines.inspect(state.run_id, storage=started_run.storage),
            "startFromCommand": start_from if state.status in _CAN_BE_TAKEN_OVER else None,
        }
    )


async def _approval(started_run: StartedRun, node: NodeRecord, store: Store, *, is_new: bool) -> Json:
    """Return an approval as /approvals shows it, with whether it is new, and the commands that decide it."""
    state = started_run.engine.state
    approval = await read_waiting(state, node, store)
    commands = {
        f"{verb}Command": command_lines.decide(verb, state.run_id, *node.key, storage=started_run.storage)
        for verb in ("approve", "deny")
    }
    return {**approval_json(approval), "new": is_new, **commands}


def _place(started_run: StartedRun) -> Json:
    link = None if started_run.url is None else f"{started_run.url}/?runId={started_run.engine.run_id}"
    return {"url": started_run.url, "link": link, "folder": str(Path.cwd())}


def _written(message: Json) -> bytes:
    return pydantic_core.to_json(message) + b"\n"
