"""What `up` says of a whole run: where it is reached at the start, how it ended, and the command to type next."""

from typing import assert_never

from smithersd.cli import invocations, words
from smithersd.core.fold import NodeKey, RunState
from smithersd.core.states import RunStatus
from smithersd.daemon.report import Begun


def opening_lines(begun: Begun) -> list[str]:
    """Say what runs, and where it is served."""
    state = begun.engine.state
    lines = [f"Run {state.run_id} of {state.workflow_name} ({begun.workflow})"]
    if begun.url is not None:
        lines.append(f"Serving at {begun.url}")
    return lines


def closing_lines(begun: Begun, *, is_still_served: bool) -> list[str]:
    """Say how the run stands when it is driven no longer."""
    state = begun.engine.state
    lines = [_ending(state), *_next_command(begun)]
    if is_still_served:
        lines.append(f"Served as it is at {begun.url} until Ctrl+C.")
    return lines


def command_that_decides(begun: Begun, key: NodeKey) -> str:
    """Return the command that lets a gate pass."""
    node_id, iteration = key
    return invocations.decide("approve", begun.engine.run_id, node_id, iteration, store=begun.store)


def _ending(state: RunState) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in state.summary.items()) or "no nodes"
    why = "" if state.error is None else f" {words.error_phrase(state.error)}"
    return f"Run {state.status.value}{_took(state)}: {counts}.{why}"


def _took(state: RunState) -> str:
    if state.started_at_ms is None or state.finished_at_ms is None:
        return ""
    return f" after {words.duration(state.finished_at_ms - state.started_at_ms)}"


def _next_command(begun: Begun) -> list[str]:
    state, store = begun.engine.state, begun.store
    match state.status:
        case RunStatus.FINISHED | RunStatus.CONTINUED:
            return []
        case RunStatus.FAILED | RunStatus.CANCELLED:
            command = invocations.start_from(state.run_id, begun.workflow, store=store)
            return ["A new run can take over what is done:", f"  {command}"]
        case (
            RunStatus.SUSPENDED
            | RunStatus.RUNNING
            | RunStatus.WAITING_APPROVAL
            | RunStatus.WAITING_TIMER
            | RunStatus.WAITING_EVENT
        ):
            return ["It goes on with:", f"  {invocations.resume(state.run_id, begun.workflow, store=store)}"]
        case _:
            assert_never(state.status)
