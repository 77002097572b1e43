"""`smithers approve` and `smithers deny`: select the approval, decide it, and print the result."""

from dataclasses import dataclass
from typing import Any, assert_never

import click

from smithersd.cli.args.options import (
    checked_text,
    debug_option,
    login_name,
    on_runs,
    run_argument,
    run_epilog,
    say_folder,
    storage_options,
    whole_number,
)
from smithersd.cli.terminal.output import say, say_lines, terminal_width
from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.phrases import Phrase, date_and_time, node_name, one_line
from smithersd.cli.text.run_status import approvals_with_commands, next_steps, status_phrase
from smithersd.client import RequestStage, Run, StoredRuns
from smithersd.core.json_text import parse_json
from smithersd.core.log.events import JsonValue
from smithersd.daemon import command_lines
from smithersd.daemon.state.storage import Storage
from smithersd.errors import ApprovalAlreadyDecided, ApprovalAmbiguous, InvalidRequest
from smithersd.limits import APPROVAL_LINES_LISTED_MAX, APPROVAL_LINES_MAX, JSON_DEPTH_MAX
from smithersd.query.approvals import PendingApproval
from smithersd.query.run_info import RunInfo

_PAST = {"approve": "approved", "deny": "denied"}


@dataclass(frozen=True, slots=True)
class _Arguments:
    """The arguments of the command."""

    verb: str
    run: str | None
    node: str | None
    iteration: int | None
    note: str | None
    by: str
    decision: JsonValue
    storage: Storage


def decision_command(verb: str, *, summary: str, description: str) -> click.Command:
    """Return the command of a verb, "approve" or "deny"."""
    epilog = run_epilog(
        f"smithers {verb}",
        f'smithers {verb} release-1 --node publish --note "as agreed"',
        f'smithers {verb} release-1 --node publish --decision \'{{"channel": "beta"}}\'',
    )

    @click.command(verb, short_help=summary, help=f"{summary} {description}", epilog=epilog)
    @run_argument
    @click.option("--node", metavar="NODE", help="The node that asks [default: the only one that is waiting].")
    @click.option(
        "--iteration", type=whole_number(), metavar="N", help="The iteration [default: the one that is waiting]."
    )
    @click.option("--note", metavar="TEXT", help="The reason, for readers of the log.")
    @click.option("--by", metavar="NAME", help="The name of the person who decides [default: your login name].")
    @click.option("--decision", metavar="JSON", help="More data of the decision, for the workflow.")
    @storage_options
    @debug_option
    def command(**given: Any) -> None:
        arguments = _arguments(verb, given)
        if arguments.storage.store is None:
            say_folder(arguments.storage)
        on_runs(arguments.storage, lambda runs: _decide(runs, arguments))

    return command


def _arguments(verb: str, given: dict[str, Any]) -> _Arguments:
    for flag in ("node", "note", "by"):
        if given[flag] is not None:
            checked_text(given[flag], f"--{flag}")
    decision = None if given["decision"] is None else json_flag(given["decision"], "--decision")
    by = login_name() if given["by"] is None else given["by"]
    return _Arguments(verb, **{**given, "decision": decision, "by": by})


def json_flag(text: str, flag: str) -> JsonValue:
    """Return the JSON value of a flag.

    Raises:
        InvalidRequest: it is not valid JSON.
    """
    try:
        return parse_json(text, depth_max=JSON_DEPTH_MAX)
    except ValueError as error:
        raise InvalidRequest(
            f"The value of {flag} is not valid JSON: {error}.",
            remedy=f"Give JSON, quoted for the shell: {flag} '{{...}}'.",
        ) from None


async def _decide(runs: StoredRuns, arguments: _Arguments) -> None:
    run = await runs.select(arguments.run)
    submit = run.approve if arguments.verb == "approve" else run.deny
    try:
        node_id, iteration = await _approval_key(run, arguments)
        stage = await submit(
            node_id, iteration=iteration, note=arguments.note, decided_by=arguments.by, decision=arguments.decision
        )
    except ApprovalAmbiguous as error:
        raise _with_commands(error, run.run_id, arguments) from error
    except ApprovalAlreadyDecided as error:
        raise _with_time(error) from error
    await _say_outcome(run, stage, arguments, await run.approval(node_id, iteration=iteration))


async def _approval_key(run: Run, arguments: _Arguments) -> tuple[str, int | None]:
    if arguments.node is not None:
        return arguments.node, arguments.iteration
    if arguments.iteration is not None:
        raise InvalidRequest("--iteration needs --node.", remedy="Name the node with --node.")
    return await run.select_approval()


def _with_commands(error: ApprovalAmbiguous, run_id: str, arguments: _Arguments) -> ApprovalAmbiguous:
    pending = [] if error.details is None else error.details["pending"]
    commands = [
        "  " + command_lines.decide(arguments.verb, run_id, key["nodeId"], key["iteration"], storage=arguments.storage)
        for key in pending
    ]
    return ApprovalAmbiguous(error.message, remedy="\n".join(["Name one:", *commands]), details=error.details)


def _with_time(error: ApprovalAlreadyDecided) -> ApprovalAlreadyDecided:
    details = error.details or {}
    note = f": {one_line(details['note'])}" if details.get("note") else ""
    when = date_and_time(details["decidedAtMs"])
    return ApprovalAlreadyDecided(
        f"{error.message.removesuffix('.')}, at {when}{note}.", remedy=error.remedy, details=details
    )


async def _say_outcome(run: Run, stage: RequestStage, arguments: _Arguments, approval: PendingApproval) -> None:
    info = await run.info()
    say_stage(info, stage, _PAST[arguments.verb], node_name(*approval.key), arguments.by)
    width, storage = terminal_width(), arguments.storage
    whole = command_lines.inspect(run.run_id, storage=storage, is_json=True)
    say_lines(approval_lines(approval, lines_max=APPROVAL_LINES_MAX, whole=whole, width=width, verb="asked"))
    left = [] if info.status.is_final else await run.approvals()
    steps = [
        *approvals_with_commands(run.run_id, left, storage, lines_max=APPROVAL_LINES_LISTED_MAX, width=width),
        *next_steps(info, storage),
    ]
    if steps:
        say()
    say_lines(steps)


def say_stage(run: RunInfo, stage: RequestStage, verb: str, node: str, by: str) -> None:
    """Print the result of a request about a node; `verb` is a past participle, such as "approved"."""
    done = Phrase(f"{verb.capitalize()} {node} of run {run.run_id} as {one_line(by)}.", "bold")
    match stage:
        case RequestStage.REPEATED:
            say(
                f"{node} of run {run.run_id} was already {verb}, so nothing has changed. The run is ",
                status_phrase(run),
                ".",
            )
        case RequestStage.APPLIED:
            say(done, " The run is ", status_phrase(run), ".")
        case RequestStage.ACCEPTED if run.driver is not None:
            say(done, f" The request is stored; {run.driver.name}, which drives the run, has not applied it yet.")
        case RequestStage.ACCEPTED:
            say(done, " The request is stored, and takes effect when the run is resumed.")
        case _:
            assert_never(stage)
