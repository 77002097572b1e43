"""A run's status, its driver and the next command, in the same words for every command."""

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
    """Return the run's status; a run whose driver has died is "interrupted", never "running"."""
    return Phrase(run.status_text, INTERRUPTED_STYLE if run.is_interrupted else STATUS_STYLES[run.status])


def driver_phrase(run: RunInfo) -> str:
    """Return ", driven by DRIVER", to end a sentence with; empty if no process drives the run."""
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
    """Yield the approvals of a run as lines, each with the commands that decide it (`verbs`)."""
    whole = command_lines.inspect(run_id, storage=storage, is_json=len(verbs) > 1)
    for approval in approvals:
        yield from approval_lines(approval, lines_max=lines_max, whole=whole, width=width)
        for verb in verbs:
            yield command_phrase(command_lines.decide(verb, run_id, *approval.key, storage=storage))


def next_steps(run: RunInfo, storage: Storage) -> list[Phrase]:
    """Return the command that resumes a run that no process drives, or reuses its outputs; nothing for a driven run."""
    if run.is_interrupted:
        # The former process may still hold the pidfile; --force ends it.
        is_forced = run.holder is not None and run.holder.is_local and not run.holder.is_dead
        resume = command_lines.resume(run.run_id, run.workflow_path, storage=storage, is_forced=is_forced)
        return [Phrase(f"{why_undriven(run)} Resume it with:"), command_phrase(resume)]
    return next_steps_at_rest(run.status, run.run_id, run.workflow_path, storage) if run.status.is_at_rest else []


def next_steps_at_rest(status: RunStatus, run_id: str, workflow_path: str | None, storage: Storage) -> list[Phrase]:
    """Return the command that resumes a run that is no longer driven, or reuses its outputs."""
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
    """Return why no process drives the run."""
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
