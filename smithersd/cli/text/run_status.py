"""How a run stands, who drives it and what gets it on: said the same by every command."""

from collections.abc import Iterator, Sequence
from typing import assert_never

from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.phrases import INTERRUPTED_STYLE, STATUS_STYLES, Phrase, command_phrase, duration
from smithersd.core.log.states import RunStatus
from smithersd.daemon import command_lines
from smithersd.daemon.state.storage import Storage
from smithersd.query.approvals import PendingApproval
from smithersd.query.run_info import RunInfo


def status_phrase(run: RunInfo) -> Phrase:
    """Name the run's status; one whose driver has died is never called running."""
    return Phrase(run.status_text, INTERRUPTED_STYLE if run.is_interrupted else STATUS_STYLES[run.status])


def driver_phrase(run: RunInfo) -> str:
    """Say who drives the run, in the middle of a sentence; empty where nobody does."""
    return "" if run.driver is None else f", driven by {run.driver.name}"


def approvals_with_commands(
    run_id: str,
    approvals: Sequence[PendingApproval],
    storage: Storage,
    *,
    lines_max: int,
    width: int | None,
    verbs: tuple[str, ...] = ("approve",),
) -> Iterator[Phrase]:
    """Say what a run asks, and the commands of these verbs that answer it."""
    whole = command_lines.inspect(run_id, storage=storage, is_json=len(verbs) > 1)
    for approval in approvals:
        yield from approval_lines(approval, lines_max=lines_max, whole=whole, width=width)
        for verb in verbs:
            yield command_phrase(command_lines.decide(verb, run_id, *approval.key, storage=storage))


def next_steps(run: RunInfo, storage: Storage) -> list[Phrase]:
    """Say which command goes on with a run that nobody drives, or with what it has done; nothing where it is driven."""
    if run.is_interrupted:
        # Whoever resumes the run has to end a former process that still holds its pidfile.
        is_forced = run.holder is not None and run.holder.is_local and not run.holder.is_dead
        resume = command_lines.resume(run.run_id, run.workflow_path, storage=storage, is_forced=is_forced)
        return [Phrase(f"{why_undriven(run)} Resume it with:"), command_phrase(resume)]
    return next_steps_at_rest(run.status, run.run_id, run.workflow_path, storage) if run.status.is_at_rest else []


def next_steps_at_rest(status: RunStatus, run_id: str, workflow_path: str | None, storage: Storage) -> list[Phrase]:
    """Say which command goes on with a run that is driven no longer, or with what it has done."""
    match status:
        case RunStatus.FINISHED | RunStatus.CONTINUED:
            return []
        case RunStatus.FAILED | RunStatus.CANCELLED:
            command = command_lines.start_from(run_id, workflow_path, storage=storage)
            redo = Phrase("Add --redo NODE to run that node again, and all that follows from it.")
            return [Phrase("A new run can reuse its outputs:"), command_phrase(command), redo]
        case (
            RunStatus.SUSPENDED
            | RunStatus.RUNNING
            | RunStatus.WAITING_APPROVAL
            | RunStatus.WAITING_TIMER
            | RunStatus.WAITING_EVENT
        ):
            resume = command_lines.resume(run_id, workflow_path, storage=storage)
            return [Phrase("Resume it with:"), command_phrase(resume)]
        case _:
            assert_never(status)


def why_undriven(run: RunInfo) -> str:
    """Say what became of the driver of a run that nobody drives."""
    if run.status is RunStatus.SUSPENDED:
        return "No process is driving the run: it was suspended."
    if run.holder is None:
        return "No process is driving the run: its process released it before it ended."
    if run.holder.is_dead:
        return "No process is driving the run: its process has died."
    return (
        f"No process is driving the run: {run.holder.name} has not renewed its lease, which ran out "
        f"{duration(-run.holder.lease_left_ms)} ago. It may be stopped, cut off or dead."
    )
