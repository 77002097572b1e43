"""Lines of `up` about the run as a whole: its start, its end, and the next command."""

from smithersd.cli.text import phrases
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_status import next_steps_at_rest
from smithersd.cli.text.value_lines import result_lines
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.core.reuse.rule import Forecast
from smithersd.daemon import command_lines
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.limits import APPROVAL_LINES_MAX

_RUN_AGAIN_SHOWN_MAX = 12
"""How many of the nodes that run again are listed."""


def opening_lines(started_run: StartedRun) -> list[str]:
    """Return the lines at the start: the run, its URL, and the outputs that it reuses."""
    state = started_run.engine.state
    lines = [f"Run {state.run_id} of {state.workflow_name} ({started_run.workflow})"]
    if started_run.url is not None:
        lines.append(f"Serving at {started_run.url}")
    forecast = None if started_run.engine.is_resumed else started_run.engine.forecast
    return lines if forecast is None else [*lines, *_reused_outputs(forecast)]


def _reused_outputs(forecast: Forecast) -> list[str]:
    """Return the lines about reused outputs, and about the nodes that run again with the reason of each."""
    count = len(forecast.reused)
    how_many = f"up to {count} output{'' if count == 1 else 's'}" if count else "no outputs"
    lines = [f"Reusing {how_many} of {forecast.from_run_id}."]
    reasons = [
        f"  {phrases.one_line(node_id)}: {phrases.one_line(reason)}" for node_id, reason in forecast.rerun.items()
    ]
    if reasons:
        lines[0] += " These nodes run again:"
    if len(reasons) > _RUN_AGAIN_SHOWN_MAX:
        reasons[_RUN_AGAIN_SHOWN_MAX:] = [f"  and {len(reasons) - _RUN_AGAIN_SHOWN_MAX} more"]
    return [*lines, *reasons]


def waiting_for_store(problem: str) -> str:
    """Return the line that says that the start waits for the store."""
    return f"{problem} Waiting until the store answers."


def standby_lines(waiting: StandingBy) -> list[str]:
    """Return the lines of a standby: what it waits for, and where the run is served meanwhile."""
    if waiting.driver is None:
        lines = [f"Run {waiting.run_id} is suspended. This process stands by until it is resumed."]
    else:
        lines = [f"Run {waiting.run_id} is driven by {waiting.driver}. This process stands by to take over."]
    return lines if waiting.url is None else [*lines, f"Serving at {waiting.url}"]


def closing_lines(
    started_run: StartedRun, *, is_still_served: bool, result: str | None, ended_by: str = "Ctrl+C"
) -> list[Phrase]:
    """Return the lines at the end: the status, the result (given as JSON) cut to a screen, and the next command.

    `ended_by` stops the server that continues.
    """
    state = started_run.engine.state
    whole = command_lines.inspect(state.run_id, storage=started_run.storage) + " --json"
    lines = [
        Phrase(_status_line(state)),
        *([] if result is None else result_lines(result, lines_max=APPROVAL_LINES_MAX, whole=whole)),
        *_tracebacks_line(started_run),
        *next_steps_at_rest(state.status, state.run_id, started_run.workflow, started_run.storage),
    ]
    if is_still_served:
        lines.append(Phrase(f"Still serving at {started_run.url}. To stop: {ended_by}"))
    return lines


def approve_command(started_run: StartedRun, key: NodeKey) -> str:
    """Return the command that approves what a node asks."""
    node_id, iteration = key
    return command_lines.decide("approve", started_run.engine.run_id, node_id, iteration, storage=started_run.storage)


def _tracebacks_line(started_run: StartedRun) -> list[Phrase]:
    file = started_run.storage.folder.run(started_run.engine.run_id).tracebacks_file
    return [Phrase(f"Tracebacks: {command_lines.relative_path(str(file))}")] if file.exists() else []


def _status_line(state: RunState) -> str:
    counts = ", ".join(f"{count} {name}" for name, count in state.summary.items()) or "no nodes"
    why = "" if state.error is None else f" {phrases.error_phrase(state.error)}"
    return f"Run {state.status.value}{_elapsed(state)}: {counts}.{why}"


def _elapsed(state: RunState) -> str:
    if state.started_at_ms is None or state.finished_at_ms is None:
        return ""
    return f" after {phrases.duration(state.finished_at_ms - state.started_at_ms)}"
