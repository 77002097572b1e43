"""What `approve` and `deny` share: choosing the gate, leaving the decision, and saying what came of it."""

from dataclasses import dataclass
from typing import Any

import click

from smithersd.cli.args.options import (
    checked_text,
    debug_option,
    login_name,
    on_store,
    run_argument,
    run_epilog,
    say_folder,
    storage_options,
    whole_number,
)
from smithersd.cli.terminal.output import say, say_lines, terminal_width
from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.phrases import Phrase, date_and_time, node_name, one_line
from smithersd.cli.text.run_status import approvals_with_commands, standing, steps_to_take_up
from smithersd.core.json_text import json_text, parse_json
from smithersd.daemon import command_lines
from smithersd.daemon.state.storage import Storage
from smithersd.engine import SystemClock, driver_name, wait_until_applied
from smithersd.errors import ApprovalAlreadyDecided, ApprovalAmbiguous, InvalidRequest
from smithersd.limits import APPROVAL_LINES_LISTED_MAX, APPROVAL_LINES_MAX, JSON_DEPTH_MAX
from smithersd.query.approvals import PendingApproval, read_approval_of_row, undecided_approvals
from smithersd.query.select import select_approval, select_run
from smithersd.store import Store
from smithersd.store.records import ApprovalRow, Decision, RunRow, Submitted

_PAST = {"approve": "approved", "deny": "denied"}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What was typed."""

    verb: str
    run: str | None
    node: str | None
    iteration: int | None
    note: str | None
    by: str
    decision: str | None
    storage: Storage


def decision_command(verb: str, *, summary: str, description: str) -> click.Command:
    """Make the command of a verb, "approve" or "deny"."""
    epilog = run_epilog(
        f"smithers {verb}",
        f'smithers {verb} release-1 --node publish --note "as agreed"',
        f'smithers {verb} release-1 --node publish --decision \'{{"channel": "beta"}}\'',
    )

    @click.command(verb, short_help=summary, help=f"{summary} {description}", epilog=epilog)
    @run_argument
    @click.option("--node", metavar="NODE", help="The gate [default: the only one that waits].")
    @click.option("--iteration", type=whole_number(), metavar="N", help="The iteration [default: that which waits].")
    @click.option("--note", metavar="TEXT", help="Why, for those who read the log.")
    @click.option("--by", metavar="NAME", help="Who decides [default: your login name].")
    @click.option("--decision", metavar="JSON", help="More than a yes or no, for the workflow to read.")
    @storage_options
    @debug_option
    def command(**given: Any) -> None:
        wanted = _wanted(verb, given)
        if wanted.storage.store is None:
            say_folder(wanted.storage)
        on_store(wanted.storage, lambda store: _decide(store, wanted))

    return command


def _wanted(verb: str, given: dict[str, Any]) -> _Wanted:
    for flag in ("node", "note", "by"):
        if given[flag] is not None:
            checked_text(given[flag], f"--{flag}")
    decision = None if given["decision"] is None else _decision_text(given["decision"])
    by = login_name() if given["by"] is None else given["by"]
    return _Wanted(verb, **{**given, "decision": decision, "by": by})


def _decision_text(text: str) -> str:
    try:
        return json_text(parse_json(text, depth_max=JSON_DEPTH_MAX))
    except ValueError as error:
        raise InvalidRequest(
            f"The value of --decision is not valid JSON: {error}.", remedy="Quote it for the shell: --decision '{...}'."
        ) from None


async def _decide(store: Store, wanted: _Wanted) -> None:
    run = await select_run(store, wanted.run)
    try:
        node_id, iteration = await _gate(store, run, wanted)
        submitted = await store.submit_decision(
            Decision(
                run_id=run.run_id,
                node_id=node_id,
                is_approval=wanted.verb == "approve",
                iteration=iteration,
                note=wanted.note,
                decided_by=wanted.by,
                decision=wanted.decision,
                created_at_ms=SystemClock().now_ms(),
            )
        )
    except ApprovalAmbiguous as error:
        raise _with_commands(error, run, wanted) from error
    except ApprovalAlreadyDecided as error:
        raise _with_time(error) from error
    await wait_until_applied(store, submitted)
    gate = await _decided(store, run, node_id, iteration)
    await _say_outcome(store, submitted, wanted, await read_approval_of_row(store, run.run_id, gate))


async def _gate(store: Store, run: RunRow, wanted: _Wanted) -> tuple[str, int | None]:
    if wanted.node is not None:
        return wanted.node, wanted.iteration
    if wanted.iteration is not None:
        raise InvalidRequest("--iteration needs --node.", remedy="Name the node.")
    gate = await select_approval(store, run.run_id)
    return gate.node_id, gate.iteration


async def _decided(store: Store, run: RunRow, node_id: str, iteration: int | None) -> ApprovalRow:
    """The gate that was decided; without an iteration the latest one."""
    asked = [gate for gate in await store.gates(run.run_id) if gate.node_id == node_id]
    return next((gate for gate in asked if gate.iteration == iteration), asked[-1])


def _with_commands(error: ApprovalAmbiguous, run: RunRow, wanted: _Wanted) -> ApprovalAmbiguous:
    pending = [] if error.details is None else error.details["pending"]
    commands = [
        "  " + command_lines.decide(wanted.verb, run.run_id, one["nodeId"], one["iteration"], storage=wanted.storage)
        for one in pending
    ]
    return ApprovalAmbiguous(error.message, remedy="\n".join(["Name one:", *commands]), details=error.details)


def _with_time(error: ApprovalAlreadyDecided) -> ApprovalAlreadyDecided:
    details = error.details or {}
    note = f": {one_line(details['note'])}" if details.get("note") else ""
    when = date_and_time(details["decidedAtMs"])
    return ApprovalAlreadyDecided(
        f"{error.message.removesuffix('.')}, at {when}{note}.", remedy=error.remedy, details=details
    )


async def _say_outcome(store: Store, submitted: Submitted, wanted: _Wanted, approval: PendingApproval) -> None:
    run = await store.run(submitted.run_id)
    name = node_name(*approval.key)
    done = Phrase(f"{_PAST[wanted.verb].capitalize()} {name} of run {run.run_id} as {one_line(wanted.by)}.", "bold")
    if submitted.inbox_id is None:
        say(f"That had been decided before; nothing has changed. Run {run.run_id} is ", standing(run), ".")
    elif not await store.is_in_inbox(run.run_id, submitted.inbox_id):
        say(done, " The run is ", standing(run), ".")
    elif (driver := driver_name(run)) is not None:
        say(done, f" It is stored; {driver}, which drives the run, has not taken it up yet.")
    else:
        say(done, " It is stored, and counts as soon as the run goes on.")
    width, storage = terminal_width(), wanted.storage
    whole = command_lines.inspect(run.run_id, storage=storage, is_json=True)
    say_lines(approval_lines(approval, lines_max=APPROVAL_LINES_MAX, whole=whole, width=width, verb="asked"))
    left = [] if run.status.is_final else await undecided_approvals(store, run.run_id)
    steps = [
        *approvals_with_commands(run.run_id, left, storage, lines_max=APPROVAL_LINES_LISTED_MAX, width=width),
        *steps_to_take_up(run, storage),
    ]
    if steps:
        say()
    say_lines(steps)
