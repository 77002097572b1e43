"""smithers inspect: one run, all of it."""

from collections.abc import Iterator
from typing import Any

import click
import pydantic_core

from smithersd.cli.args.options import (
    UNNAMED_TO_LOOK_AT,
    debug_option,
    json_option,
    on_store,
    run_argument,
    run_epilog,
    run_to_look_at,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_columns, say_json, say_lines, terminal_width
from smithersd.cli.text.columns import Line
from smithersd.cli.text.phrases import Phrase, date_and_time, duration, node_name, one_line
from smithersd.cli.text.run_status import (
    approvals_with_commands,
    driver_json,
    failure_line,
    is_interrupted,
    processes_of,
    standing,
    steps_to_take_up,
)
from smithersd.cli.text.tree import tree_lines
from smithersd.core.kinds.registry import node_kind_named
from smithersd.core.log.fold import FIRST_ITERATION, NodeKey, NodeRecord
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock, driver_name
from smithersd.limits import APPROVAL_LINES_MAX
from smithersd.query.approvals import PendingApproval, undecided_approvals
from smithersd.query.json import approval_json, attempt_json, error_json, node_json, run_json
from smithersd.query.snapshot import Snapshot, read_snapshot
from smithersd.store import Store
from smithersd.store.records import InboxKind, InboxRow

_OUTPUT_LENGTH_MAX = 32
_INPUT_LENGTH_MAX = 200


@click.command(
    "inspect",
    short_help="Show a run: its nodes, what it waits for.",
    epilog=run_epilog(
        "smithers inspect", "smithers inspect release-1 --json | jq .summary", unnamed=UNNAMED_TO_LOOK_AT
    ),
)
@run_argument
@json_option
@storage_options
@debug_option
def command(run: str | None, *, is_json: bool, storage: Storage) -> None:
    """Show a run: how it stands, every node in its tree, and what gets it on.

    Outputs are shortened; --json has them whole.
    """
    snapshot, approvals = on_store(storage, lambda opened: _read(opened, run))
    if is_json:
        say_json(_json(snapshot, storage.folder))
    else:
        _say(snapshot, approvals, storage)


async def _read(store: Store, said: str | None) -> tuple[Snapshot, list[PendingApproval]]:
    run_id = (await run_to_look_at(store, said)).run_id
    return await read_snapshot(store, run_id), await undecided_approvals(store, run_id)


def _say(snapshot: Snapshot, approvals: list[PendingApproval], storage: Storage) -> None:
    now_ms = SystemClock().now_ms()
    row = snapshot.row
    say(Phrase(row.run_id, "bold"), " ", standing(row))
    say_columns(list(_facts(snapshot, storage.folder, now_ms)))
    if snapshot.tree is not None:
        say()
        lines = tree_lines(
            snapshot.tree, snapshot.state, now_ms=now_ms, is_driven=not is_interrupted(row), notes=_notes(snapshot)
        )
        say_columns([line.phrases() for line in lines])
    asked = approvals_with_commands(
        row.run_id,
        approvals,
        storage,
        lines_max=APPROVAL_LINES_MAX,
        width=terminal_width(),
        verbs=("approve", "deny"),
    )
    steps = [*map(_left, snapshot.inbox), *asked, *steps_to_take_up(row, storage)]
    if steps:
        say()
    say_lines(steps)


def _facts(snapshot: Snapshot, folder: StateFolder, now_ms: int) -> Iterator[Line]:
    row = snapshot.row
    process = processes_of(row, folder).main
    took = duration((row.finished_at_ms or now_ms) - row.created_at_ms)
    facts = {
        "workflow": row.workflow_name + (f" ({row.workflow_path})" if row.workflow_path else ""),
        "started": f"{date_and_time(row.created_at_ms)}, {'took' if row.status.is_final else 'for'} {took}",
        "took over": None if row.from_run_id is None else f"what was done of {row.from_run_id}",
        "served at": process.url,
        "process": None if process.pid is None else str(process.pid),
        "driven by": driver_name(row),
        "input": None if row.input == "null" else one_line(row.input, length_max=_INPUT_LENGTH_MAX),
        "error": failure_line(row),
    }
    for name, fact in facts.items():
        if fact is not None:
            yield [Phrase(f"  {name}", "dim"), Phrase(fact)]


def _notes(snapshot: Snapshot) -> dict[NodeKey, str]:
    nodes = snapshot.state.nodes
    return {
        key: "-> " + one_line(text, length_max=_OUTPUT_LENGTH_MAX)
        for key, text in snapshot.outputs.items()
        if text != "null" and node_kind_named(nodes[key].kind).shows_output
    }


def _left(row: InboxRow) -> Phrase:
    """Say what was left for the run and counts when it goes on."""
    by = f" by {one_line(row.decided_by)}" if row.decided_by else ""
    if row.kind is InboxKind.CANCEL:
        return Phrase(f"It is to be cancelled{by}, as soon as somebody drives it.")
    done = "approved" if row.kind is InboxKind.APPROVE else "denied"
    name = node_name(row.node_id or "", row.iteration or FIRST_ITERATION)
    return Phrase(f"{name} was {done}{by}, which counts when the run goes on.")


def _json(snapshot: Snapshot, folder: StateFolder) -> dict[str, Any]:
    row, state = snapshot.row, snapshot.state
    process = processes_of(row, folder).main
    return {
        **run_json(state),
        "status": standing(row).text,
        "error": error_json(state.error),
        "workflowPath": row.workflow_path,
        "fromRunId": row.from_run_id,
        "url": process.url,
        "pid": process.pid,
        "driver": driver_json(row),
        "input": pydantic_core.from_json(row.input),
        "tree": snapshot.tree,
        "nodes": [_node_json(snapshot, state.nodes[key]) for key in state.in_tree_order(snapshot.node_ids)],
        "approvals": [approval_json(approval) for approval in snapshot.approvals],
    }


def _node_json(snapshot: Snapshot, node: NodeRecord) -> dict[str, Any]:
    output = snapshot.outputs.get(node.key)
    return {
        **node_json(node),
        "attempts": [attempt_json(one) for one in node.attempts],
        "output": None if output is None else pydantic_core.from_json(output),
    }
