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
    driver_json,
    failure_line,
    is_interrupted,
    processes_of,
    questions_with_commands,
    standing,
    steps_to_take_up,
)
from smithersd.cli.text.tree import tree_lines
from smithersd.core.kinds.registry import node_kind_named
from smithersd.core.log.fold import NodeKey, NodeRecord
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock, driver_name
from smithersd.limits import QUESTION_LINES_MAX
from smithersd.query.json import attempt_json, error_json, node_json, question_json, run_json
from smithersd.query.pending import pending_questions
from smithersd.query.questions import Question
from smithersd.query.snapshot import Reading, read_run
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
    reading, questions = on_store(storage, lambda opened: _read(opened, run))
    if is_json:
        say_json(_json(reading, storage.folder))
    else:
        _say(reading, questions, storage)


async def _read(store: Store, said: str | None) -> tuple[Reading, list[Question]]:
    run_id = (await run_to_look_at(store, said)).run_id
    return await read_run(store, run_id), await pending_questions(store, run_id)


def _say(reading: Reading, questions: list[Question], storage: Storage) -> None:
    now_ms = SystemClock().now_ms()
    row = reading.row
    say(Phrase(row.run_id, "bold"), " ", standing(row))
    say_columns(list(_facts(reading, storage.folder, now_ms)))
    if reading.tree is not None:
        say()
        lines = tree_lines(
            reading.tree, reading.state, now_ms=now_ms, is_driven=not is_interrupted(row), notes=_notes(reading)
        )
        say_columns([line.phrases() for line in lines])
    asked = questions_with_commands(
        row.run_id,
        questions,
        storage,
        lines_max=QUESTION_LINES_MAX,
        width=terminal_width(),
        verbs=("approve", "deny"),
    )
    steps = [*map(_left, reading.inbox), *asked, *steps_to_take_up(row, storage)]
    if steps:
        say()
    say_lines(steps)


def _facts(reading: Reading, folder: StateFolder, now_ms: int) -> Iterator[Line]:
    row = reading.row
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


def _notes(reading: Reading) -> dict[NodeKey, str]:
    nodes = reading.state.nodes
    return {
        key: "-> " + one_line(text, length_max=_OUTPUT_LENGTH_MAX)
        for key, text in reading.outputs.items()
        if text != "null" and node_kind_named(nodes[key].kind).shows_output
    }


def _left(row: InboxRow) -> Phrase:
    """Say what was left for the run and counts when it goes on."""
    by = f" by {one_line(row.decided_by)}" if row.decided_by else ""
    if row.kind is InboxKind.CANCEL:
        return Phrase(f"It is to be cancelled{by}, as soon as somebody drives it.")
    done = "approved" if row.kind is InboxKind.APPROVE else "denied"
    name = node_name(row.node_id or "", row.iteration or 0)
    return Phrase(f"{name} was {done}{by}, which counts when the run goes on.")


def _json(reading: Reading, folder: StateFolder) -> dict[str, Any]:
    row, state = reading.row, reading.state
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
        "tree": reading.tree,
        "nodes": [_node_json(reading, state.nodes[key]) for key in state.in_tree_order(reading.node_ids)],
        "approvals": [question_json(reading.question(key, gate)) for key, gate in reading.waiting_approvals],
    }


def _node_json(reading: Reading, node: NodeRecord) -> dict[str, Any]:
    output = reading.outputs.get(node.key)
    return {
        **node_json(node),
        "attempts": [attempt_json(one) for one in node.attempts],
        "output": None if output is None else pydantic_core.from_json(output),
    }
