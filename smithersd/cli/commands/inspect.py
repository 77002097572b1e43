"""smithers inspect: show one run."""

from collections.abc import Iterator
from typing import Any

import click
import pydantic_core

from smithersd.cli.args.options import (
    UNNAMED_TO_READ,
    debug_option,
    json_option,
    on_runs,
    run_argument,
    run_epilog,
    run_to_read,
    storage_options,
)
from smithersd.cli.terminal.output import say, say_columns, say_json, say_lines, terminal_width
from smithersd.cli.text.columns import Line
from smithersd.cli.text.phrases import (
    Phrase,
    date_and_time,
    duration,
    error_phrase,
    node_name,
    one_line,
    timeout_phrase,
)
from smithersd.cli.text.run_status import approvals_with_commands, next_steps, status_phrase
from smithersd.cli.text.tree import tree_lines
from smithersd.client import StoredRuns
from smithersd.core.kinds.registry import node_kind_named
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.local_processes import local_processes
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock
from smithersd.limits import APPROVAL_LINES_MAX
from smithersd.query.json import approval_json, attempt_json, driver_json, error_json, node_json, run_json
from smithersd.query.snapshot import AcceptedRequest, Snapshot

_OUTPUT_LENGTH_MAX = 32
_DONE = {"approve": "approved", "deny": "denied", "fire": "fired"}
_INPUT_LENGTH_MAX = 200


@click.command(
    "inspect",
    short_help="Show a run: its nodes and what it waits for.",
    epilog=run_epilog("smithers inspect", "smithers inspect release-1 --json | jq .summary", unnamed=UNNAMED_TO_READ),
)
@run_argument
@json_option
@storage_options
@debug_option
def command(run: str | None, *, is_json: bool, storage: Storage) -> None:
    """Show a run: its status, every node of its tree, what it waits for, and the next command.

    Outputs are shortened; --json prints them whole.
    """
    snapshot = on_runs(storage, lambda runs: _read(runs, run))
    if is_json:
        say_json(_json(snapshot, storage.folder))
    else:
        _say(snapshot, storage)


async def _read(runs: StoredRuns, selector: str | None) -> Snapshot:
    return await (await run_to_read(runs, selector)).snapshot()


def _say(snapshot: Snapshot, storage: Storage) -> None:
    now_ms = SystemClock().now_ms()
    run = snapshot.info
    say(Phrase(run.run_id, "bold"), " ", status_phrase(run))
    say_columns(list(_facts(snapshot, storage.folder, now_ms)))
    if snapshot.tree is not None:
        say()
        lines = tree_lines(
            snapshot.tree, snapshot.state, now_ms=now_ms, is_driven=not run.is_interrupted, notes=_notes(snapshot)
        )
        say_columns([line.phrases() for line in lines])
    asked = approvals_with_commands(
        run.run_id,
        snapshot.undecided,
        storage,
        lines_max=APPROVAL_LINES_MAX,
        width=terminal_width(),
        verbs=("approve", "deny"),
    )
    steps = [*map(_to_be_applied, snapshot.requests), *asked, *next_steps(run, storage)]
    if steps:
        say()
    say_lines(steps)


def _facts(snapshot: Snapshot, folder: StateFolder, now_ms: int) -> Iterator[Line]:
    run = snapshot.info
    process = local_processes(run, folder).main
    took = duration((run.finished_at_ms or now_ms) - run.started_at_ms)
    facts = {
        "workflow": run.workflow_name + (f" ({run.workflow_path})" if run.workflow_path else ""),
        "started": f"{date_and_time(run.started_at_ms)}, {'took' if run.status.is_final else 'for'} {took}",
        "times out": _time_out(snapshot, now_ms),
        "reuses": None if run.from_run_id is None else f"outputs of {run.from_run_id}",
        "served at": process.url,
        "process": None if process.pid is None else str(process.pid),
        "driven by": None if run.driver is None else run.driver.name,
        "input": None if run.input == "null" else one_line(run.input, length_max=_INPUT_LENGTH_MAX),
        "result": None if (text := _result_text(snapshot)) is None else one_line(text, length_max=_INPUT_LENGTH_MAX),
        "error": None if run.error is None else error_phrase(run.error),
    }
    for name, fact in facts.items():
        if fact is not None:
            yield [Phrase(f"  {name}", "dim"), Phrase(fact)]


def _time_out(snapshot: Snapshot, now_ms: int) -> str | None:
    """Say when a run that has not ended fails because of its workflow's timeout; None if it does not."""
    at_ms = snapshot.state.times_out_at_ms
    return None if at_ms is None or snapshot.info.status.is_final else timeout_phrase(at_ms, now_ms)


def _result_text(snapshot: Snapshot) -> str | None:
    """Return the run's result as JSON; None if there is none."""
    key = snapshot.state.result
    return None if key is None else snapshot.outputs.get(key)


def _notes(snapshot: Snapshot) -> dict[NodeKey, str]:
    nodes = snapshot.state.nodes
    return {
        key: "-> " + one_line(text, length_max=_OUTPUT_LENGTH_MAX)
        for key, text in snapshot.outputs.items()
        if text != "null" and node_kind_named(nodes[key].kind).shows_output
    }


def _to_be_applied(request: AcceptedRequest) -> Phrase:
    """Return the phrase for a stored request that is applied when the run is resumed."""
    by = f" by {one_line(request.requested_by)}" if request.requested_by else ""
    if request.verb not in _DONE and request.verb != "cancel":
        return Phrase(f"A signal was sent{by}; the run receives it when it is resumed.")
    if request.node_id is None or request.iteration is None:
        return Phrase(f"A cancellation was requested{by}; it takes effect when the run is resumed.")
    done = _DONE[request.verb]
    name = node_name(request.node_id, request.iteration)
    return Phrase(f"{name} was {done}{by}; this takes effect when the run is resumed.")


def _json(snapshot: Snapshot, folder: StateFolder) -> dict[str, Any]:
    run, state = snapshot.info, snapshot.state
    process = local_processes(run, folder).main
    return {
        **run_json(state),
        "status": run.status_text,
        "error": error_json(state.error),
        "workflowPath": run.workflow_path,
        "fromRunId": run.from_run_id,
        "url": process.url,
        "pid": process.pid,
        "driver": driver_json(run.driver),
        "input": pydantic_core.from_json(run.input),
        "result": None if (text := _result_text(snapshot)) is None else pydantic_core.from_json(text),
        "tree": snapshot.tree,
        "nodes": [_node_json(snapshot, state.nodes[key]) for key in state.in_tree_order(snapshot.node_ids)],
        "approvals": [approval_json(approval) for approval in snapshot.approvals],
    }


def _node_json(snapshot: Snapshot, node: NodeRecord) -> dict[str, Any]:
    output = snapshot.outputs.get(node.key)
    return {
        **node_json(node),
        "attempts": [attempt_json(attempt) for attempt in node.attempts],
        "output": None if output is None else pydantic_core.from_json(output),
    }
