"""smithers events: print a run's events, also while they are written."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import click
import pydantic_core

from smithersd.cli.args.options import (
    UNNAMED_TO_READ,
    debug_option,
    on_runs,
    run_argument,
    run_epilog,
    run_to_read,
    storage_options,
    whole_number,
)
from smithersd.cli.terminal.output import flush, say_columns
from smithersd.cli.text.phrases import Phrase, event_phrases, time_of_day
from smithersd.cli.text.run_status import why_undriven
from smithersd.client import Run, StoredRuns
from smithersd.core.json_text import one_line
from smithersd.core.log.events import EVENT_TYPES, Event
from smithersd.core.log.reading import read_event
from smithersd.core.log.states import RunStatus
from smithersd.daemon.state.storage import Storage
from smithersd.errors import InvalidRequest, NodeNotFound
from smithersd.feed import Encoded


@dataclass(frozen=True, slots=True)
class _Filter:
    types: frozenset[str] | None
    node_id: str | None

    def matches(self, event: Encoded) -> bool:
        """Whether the event is to be printed."""
        return (self.types is None or event.type in self.types) and self.node_id in {None, event.node_id}


Print = Callable[[int, str, Event], None]
"""Prints an event, given its seq, its JSON text and the parsed event."""


@click.command(
    "events",
    short_help="Print a run's events.",
    epilog=run_epilog(
        "smithers events -f",
        "smithers events release-1 --types NodeFailed,NodeRetrying",
        "smithers events release-1 --json --after 41 | jq .type",
        unnamed=UNNAMED_TO_READ,
    ),
)
@run_argument
@click.option("-f", "--follow", is_flag=True, help="Keep printing new events until the run has ended.")
@click.option("--after", type=whole_number(), metavar="SEQ", help="Print only the events after this number.")
@click.option("--types", metavar="A,B", help="Print only events of these types.")
@click.option("--node", metavar="NODE", help="Print only events of this node.")
@click.option("--json", "is_json", is_flag=True, help="Print each event as a line of JSON, with its seq.")
@storage_options
@debug_option
def command(run: str | None, storage: Storage, **given: Any) -> None:
    """Print a run's events, a line for each."""
    event_filter = _Filter(None if given["types"] is None else _types(given["types"]), given["node"])
    after_seq = -1 if given["after"] is None else given["after"]
    show = _print_json if given["is_json"] else _print_line
    work = _follow if given["follow"] else _print_stored
    on_runs(storage, lambda runs: work(runs, run, after_seq, event_filter, show))


def _types(text: str) -> frozenset[str]:
    types = frozenset(name.strip() for name in text.split(","))
    unknown = sorted(types - EVENT_TYPES)
    if unknown:
        near = get_close_matches(unknown[0], sorted(EVENT_TYPES)) or sorted(EVENT_TYPES)
        meant = "Did you mean" if len(near) < len(EVENT_TYPES) else "The types are"
        raise InvalidRequest(
            f"There is no event type {unknown[0]!r}.",
            remedy=f"{meant} {', '.join(near)}{'?' if meant.startswith('Did') else '.'}",
        )
    return types


async def _print_stored(
    runs: StoredRuns, selector: str | None, after_seq: int, event_filter: _Filter, show: Print
) -> None:
    run = await run_to_read(runs, selector)
    if event_filter.node_id is not None:
        await _check_node(run, event_filter.node_id)
    async for events in run.events(after_seq=after_seq):
        _show(run, events, event_filter, show)


async def _check_node(run: Run, node_id: str) -> None:
    state = await run.state()
    known = {node_id for node_id, _ in state.nodes} | {branch_id for branch_id, _ in state.branches}
    if node_id not in known:
        near = get_close_matches(node_id, known)
        raise NodeNotFound(
            f"Run {run.run_id!r} has no node {node_id!r}.",
            remedy=f"Did you mean {', '.join(near)}?" if near else f"`smithers inspect {run.run_id}` lists its nodes.",
        )


async def _follow(runs: StoredRuns, selector: str | None, after_seq: int, event_filter: _Filter, show: Print) -> None:
    run = await run_to_read(runs, selector)
    info = await run.info()
    if info.status is RunStatus.SUSPENDED or info.is_interrupted:
        print(f"{why_undriven(info)} New events are printed once it is resumed.", file=sys.stderr)
    async with run.follow(after_seq=after_seq) as batches:
        async for events in batches:
            _show(run, events, event_filter, show)
            flush()


def _show(run: Run, events: Iterable[Encoded], event_filter: _Filter, show: Print) -> None:
    for event in events:
        if event_filter.matches(event):
            show(event.seq, event.data.decode(), read_event(run.run_id, event.seq, event.data))


def _print_json(seq: int, payload: str, _event: Event) -> None:
    print(f'{{"seq":{seq},{one_line(payload)[1:]}')


def _print_line(seq: int, payload: str, event: Event) -> None:
    at_ms = pydantic_core.from_json(payload)["timestampMs"]
    for phrase in event_phrases(event):
        say_columns([[Phrase(f"{seq:>5}  {time_of_day(at_ms)}", "dim"), phrase]])
