"""How a run stands, as whoever looks at it from outside must see it, and what gets it on."""

import json
from dataclasses import dataclass
from typing import assert_never

from smithersd.cli.words import INTERRUPTED, INTERRUPTED_STYLE, STATUS_STYLES, Phrase, error_phrase, node_name, one_line
from smithersd.core.states import RunStatus
from smithersd.daemon import invocations
from smithersd.daemon.folder import find_state_folder
from smithersd.daemon.presence import read_presence
from smithersd.engine import driver_name, is_driven, owner_from
from smithersd.errors import ErrorInfo
from smithersd.store.records import GateRow, RunRow


def is_interrupted(run: RunRow) -> bool:
    """Whether the log still says that the run goes on, but nobody is there to drive it."""
    return not (run.status.is_final or run.status is RunStatus.SUSPENDED or is_driven(run))


def standing(run: RunRow) -> Phrase:
    """Return the run's status; one whose driver has died is never called running."""
    if is_interrupted(run):
        return Phrase(INTERRUPTED, INTERRUPTED_STYLE)
    return Phrase(run.status.value, STATUS_STYLES[run.status])


@dataclass(frozen=True, slots=True)
class RunProcess:
    """A process on this machine; all is None where there is none, and what is not known of one."""

    pid: int | None = None
    url: str | None = None
    started_at_ms: int | None = None


def process_of(run: RunRow) -> RunProcess:
    """Return the process that serves or drives the run."""
    presence = read_presence(find_state_folder().run(run.run_id))
    if presence is not None:
        return RunProcess(presence.pid, presence.url, presence.started_at_ms)
    if run.owner is not None and is_driven(run) and (owner := owner_from(run.owner)).is_local:
        return RunProcess(owner.pid)
    return RunProcess()


def driver_phrase(run: RunRow) -> str:
    """Say who drives the run, in the middle of a sentence; empty where nobody does."""
    driver = driver_name(run)
    return "" if driver is None else f", driven by {driver}"


def error_of(run: RunRow) -> ErrorInfo | None:
    """Return what the run failed of."""
    return None if run.error is None else ErrorInfo(**json.loads(run.error))


def next_steps(
    run: RunRow, gates: list[GateRow], store: str | None, *, verbs: tuple[str, ...] = ("approve",)
) -> list[str]:
    """Say what gets the run on: the decisions that it waits for (by these verbs), or the command that takes it up."""
    return [*_decisions(run, gates, store, verbs), *_taking_up(run, store)]


def _decisions(run: RunRow, gates: list[GateRow], store: str | None, verbs: tuple[str, ...]) -> list[str]:
    lines = []
    for gate in gates:
        lines.append(f"{node_name(gate.node_id, gate.iteration)} asks: {one_line(gate.title)}")
        lines += [
            "  " + invocations.decide(verb, run.run_id, gate.node_id, gate.iteration, store=store) for verb in verbs
        ]
    return lines


def _taking_up(run: RunRow, store: str | None) -> list[str]:
    if is_interrupted(run):
        resume = invocations.resume(run.run_id, run.workflow_path, store=store)
        return ["Nobody drives the run: its process has ended without a word. It goes on with:", f"  {resume}"]
    if run.status is RunStatus.SUSPENDED or run.status.is_final:
        return steps_without_driver(run.status, run.run_id, run.workflow_path, store)
    return []


def steps_without_driver(status: RunStatus, run_id: str, workflow_path: str | None, store: str | None) -> list[str]:
    """Say which command goes on with a run that is driven no longer, or with what it has done."""
    match status:
        case RunStatus.FINISHED | RunStatus.CONTINUED:
            return []
        case RunStatus.FAILED | RunStatus.CANCELLED:
            command = invocations.start_from(run_id, workflow_path, store=store)
            return ["A new run can take over what is done:", f"  {command}"]
        case (
            RunStatus.SUSPENDED
            | RunStatus.RUNNING
            | RunStatus.WAITING_APPROVAL
            | RunStatus.WAITING_TIMER
            | RunStatus.WAITING_EVENT
        ):
            return ["It goes on with:", f"  {invocations.resume(run_id, workflow_path, store=store)}"]
        case _:
            assert_never(status)


def failure_line(run: RunRow) -> str | None:
    """Say in a line what the run failed of."""
    error = error_of(run)
    return None if error is None else error_phrase(error)
