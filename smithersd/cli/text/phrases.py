"""Phrases for people: states, events and durations, each with a style.

A style is the name of one of rich's, as plain text; nothing here needs rich or a terminal. Every phrase is one
printable line.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any, assert_never

from smithersd.core.log import events
from smithersd.core.log.records import FIRST_ITERATION, NodeRecord
from smithersd.core.log.states import NodeState, RunStatus, WaitStatus
from smithersd.elements.kinds import OnDeny, OnTimeout
from smithersd.errors import ErrorInfo

_SECOND_MS = 1_000
_MINUTE_MS = 60 * _SECOND_MS
_HOUR_MS = 60 * _MINUTE_MS
_DAY_MS = 24 * _HOUR_MS


REDUNDANT_EVENTS = (events.NodeWaitingApproval, events.NodeWaitingTimer)
"""Events that are not printed, because the event before them says the same."""


@dataclass(frozen=True, slots=True)
class Style:
    """The symbol of a state, one cell wide, and its style."""

    symbol: str
    style: str


NODE_STYLES: Mapping[NodeState, Style] = MappingProxyType(
    {
        NodeState.PENDING: Style("·", "dim"),
        NodeState.IN_PROGRESS: Style("●", "cyan"),
        NodeState.WAITING_APPROVAL: Style("?", "bold yellow"),
        NodeState.WAITING_TIMER: Style("~", "yellow"),
        NodeState.WAITING_EVENT: Style("~", "yellow"),
        NodeState.FINISHED: Style("✓", "green"),
        NodeState.FAILED: Style("✗", "bold red"),
        NodeState.CANCELLED: Style("-", "magenta"),
        NodeState.SKIPPED: Style("-", "dim"),
    }
)

STATUS_STYLES: Mapping[RunStatus, str] = MappingProxyType(
    {
        RunStatus.RUNNING: "cyan",
        RunStatus.WAITING_APPROVAL: "bold yellow",
        RunStatus.WAITING_TIMER: "yellow",
        RunStatus.WAITING_EVENT: "yellow",
        RunStatus.SUSPENDED: "yellow",
        RunStatus.FINISHED: "green",
        RunStatus.FAILED: "bold red",
        RunStatus.CANCELLED: "magenta",
        RunStatus.CONTINUED: "green",
    }
)

INTERRUPTED_STYLE = "bold red"


_STREAM_STYLES = MappingProxyType({"stderr": "yellow"})


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text of one line and its style; if it `is_whole` it is never wrapped, so that it can be copied."""

    text: str
    style: str = ""
    is_whole: bool = False


def command_phrase(command: str) -> Phrase:
    """Return an indented command that can be copied."""
    return Phrase(f"  {command}", is_whole=True)


def duration(duration_ms: int) -> str:
    """Format a duration: "40ms", "1.2s", "3m20s", "5h07m", "2d03h"."""
    ms = max(0, duration_ms)
    if ms < _SECOND_MS:
        return f"{ms}ms"
    if ms < _MINUTE_MS:
        return f"{ms // 100 / 10:.1f}s"
    if ms < _HOUR_MS:
        return f"{ms // _MINUTE_MS}m{ms % _MINUTE_MS // _SECOND_MS:02}s"
    if ms < _DAY_MS:
        return f"{ms // _HOUR_MS}h{ms % _HOUR_MS // _MINUTE_MS:02}m"
    return f"{ms // _DAY_MS}d{ms % _DAY_MS // _HOUR_MS:02}h"


def time_of_day(at_ms: int, zone: tzinfo | None = None) -> str:
    """Format a time of day: in the local zone as "14:03:09", in another as "14:03:09 UTC"."""
    return _local(at_ms).strftime("%H:%M:%S") if zone is None else _local(at_ms, zone).strftime("%H:%M:%S %Z")


def timeout_phrase(at_ms: int, now_ms: int) -> str:
    """Say when a run times out: "at 2026-11-24 14:03:09, in 1h05m"."""
    left = f"in {duration(at_ms - now_ms)}" if at_ms > now_ms else "which has passed"
    return f"at {date_and_time(at_ms)}, {left}"


def short_time(at_ms: int, now_ms: int) -> str:
    """Format a time of today as "14:03:09", of another day as "2026-11-23 14:03"."""
    at = _local(at_ms)
    return at.strftime("%H:%M:%S" if at.date() == _local(now_ms).date() else "%Y-%m-%d %H:%M")


def date_and_time(at_ms: int) -> str:
    """Format a date and a time in the local zone: "2026-11-24 14:03:09"."""
    return _local(at_ms).strftime("%Y-%m-%d %H:%M:%S")


def _local(at_ms: int, zone: tzinfo | None = None) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, UTC).astimezone(zone)


def one_line(text: str, *, length_max: int | None = None, is_indented: bool = False) -> str:
    """Return text from outside as one printable line of at most `length_max` characters.

    Control characters are escaped. If `is_indented` the white space in the line is kept, except at its end.
    """
    stripped = text.rstrip() if is_indented else " ".join(text.split())
    line = "".join(char if char.isprintable() else _escaped(char) for char in stripped)
    if length_max is not None and len(line) > length_max:
        return line[: length_max - 1] + "…"
    return line


def _escaped(char: str) -> str:
    return " " if char.isspace() else f"\\x{ord(char):02x}"


def node_name(node_id: str, iteration: int) -> str:
    """Return the name of a node iteration: "fix", or "fix#2" inside a loop."""
    return node_id if iteration == FIRST_ITERATION else f"{node_id}#{iteration}"


def error_phrase(error: ErrorInfo) -> str:
    """Return an error in one line: the class of an author's exception or the code of one of ours, and the message."""
    name = error.name if error.code == "TASK_FAILED" else error.code
    return f"{name}: {one_line(error.message)}"


def event_phrases(event: events.Event, *, zone: tzinfo | None = None) -> list[Phrase]:
    """Return the phrase of an event; for the output of an attempt, a phrase for each line.

    `zone` is the time zone of times in the phrase; None is the local one.
    """
    if isinstance(event, events.NodeOutput):
        return _output_phrases(event)
    return [_phrase(event, zone)]


def _output_phrases(event: events.NodeOutput) -> list[Phrase]:
    lines = [line for line in event.text.splitlines() if line.strip()]
    if event.truncated:
        lines.append("(output limit reached; further output is not recorded)")
    name = node_name(event.node_id, event.iteration)
    return [
        Phrase(f"{name} | {one_line(line, is_indented=True)}", _STREAM_STYLES.get(event.stream, "")) for line in lines
    ]


def _phrase(event: events.Event, zone: tzinfo | None) -> Phrase:  # noqa: C901, PLR0911, PLR0912 - one arm an event
    match event:
        case events.RunStarted(name, from_run_id):
            reusing = "" if from_run_id is None else f", reusing outputs of {from_run_id}"
            return Phrase(f"run started: {name}{reusing}", "bold")
        case events.RunResumed(_, workflow_changed):
            return Phrase("run resumed" + ("; the workflow has changed" if workflow_changed else ""), "bold")
        case events.RunStatusChanged(status):
            return Phrase(f"run {status.value}", STATUS_STYLES[status])
        case events.RunSuspended(reason):
            return Phrase(f"run suspended: {one_line(reason)}", STATUS_STYLES[RunStatus.SUSPENDED])
        case events.RunFinished():
            return Phrase("run finished", STATUS_STYLES[RunStatus.FINISHED])
        case events.RunFailed(error):
            return Phrase(f"run failed: {error_phrase(error)}", STATUS_STYLES[RunStatus.FAILED])
        case events.RunCancelled():
            return Phrase("run cancelled", STATUS_STYLES[RunStatus.CANCELLED])
        case events.FrameCommitted(frame_no):
            return Phrase(f"frame {frame_no}", "dim")
        case events.NodePending():
            return _of_node(event, f"pending ({event.kind})", NodeState.PENDING)
        case events.NodeSkipped():
            return _of_node(event, "skipped", NodeState.SKIPPED)
        case events.NodeStarted():
            return _of_node(event, "started" + _attempt(event.attempt), NodeState.IN_PROGRESS)
        case events.NodeFinished(reused_from=reused_from):
            return _of_node(event, "finished" + (f", reused from {reused_from}" if reused_from else ""))
        case events.NodeFailed(attempt=attempt, error=error):
            return _of_node(event, f"failed{_attempt(attempt)}: {error_phrase(error)}", NodeState.FAILED)
        case events.NodeRetrying(attempt=attempt, retry_at_ms=at_ms):
            at = time_of_day(at_ms, zone)
            return _of_node(event, f"retrying at {at}{_attempt(attempt)}", NodeState.WAITING_TIMER)
        case events.NodeInterrupted(reason=reason):
            return _of_node(event, f"interrupted{_attempt(event.attempt)}: {reason.value}", NodeState.CANCELLED)
        case events.NodeCancelled(reason=reason):
            return _of_node(event, f"cancelled: {reason.value}", NodeState.CANCELLED)
        case events.NodeWaitingApproval():
            return _of_node(event, "waiting-approval", NodeState.WAITING_APPROVAL)
        case events.NodeOutput(text=text):
            return _of_node(event, one_line(text))
        case events.NodeProgress(done=done, total=total, message=message):
            return _of_node(event, progress(done, total, message), NodeState.IN_PROGRESS)
        case events.TaskHeartbeat():
            return _of_node(event, "heartbeat", NodeState.PENDING)
        case events.ApprovalRequested(title=title):
            return _of_node(event, f"asks: {one_line(title)}", NodeState.WAITING_APPROVAL)
        case events.ApprovalGranted():
            return _of_node(event, "approved" + _by_and_note(event.decided_by, event.note), NodeState.FINISHED)
        case events.ApprovalDenied():
            return _of_node(event, "denied" + _by_and_note(event.decided_by, event.note), NodeState.FAILED)
        case events.TimerCreated(fires_at_ms=at_ms):
            return _of_node(event, f"fires at {time_of_day(at_ms, zone)}", NodeState.WAITING_TIMER)
        case events.NodeWaitingTimer():
            return _of_node(event, "waiting-timer", NodeState.WAITING_TIMER)
        case events.TimerFired(delay_ms=delay_ms, fired_by=fired_by):
            by = f" by {one_line(fired_by)}" if fired_by else ""
            off = f", {duration(abs(delay_ms))} {'early' if delay_ms < 0 else 'late'}"
            return _of_node(event, f"fired{by}{off if abs(delay_ms) >= _SECOND_MS else ''}", NodeState.FINISHED)
        case events.SignalReceived():
            key = f" ({one_line(event.correlation_id)})" if event.correlation_id is not None else ""
            by = f" by {one_line(event.sent_by)}" if event.sent_by else ""
            return Phrase(f"signal {one_line(event.name)}{key} sent{by}", "yellow")
        case events.NodeWaitingEvent(name=name, correlation_id=key):
            return _of_node(event, waiting_for_signal(name, key), NodeState.WAITING_EVENT)
        case events.SignalDelivered():
            return _of_node(event, "took the signal", NodeState.FINISHED)
        case events.SignalRefused(error=error):
            return _of_node(event, f"refused the signal: {error_phrase(error)}", NodeState.FAILED)
        case events.SignalTimedOut():
            return _of_node(event, "timed out", NodeState.FAILED)
        case events.BranchDecided(value=value):
            return _of_node(event, "branch: " + ("then" if value else "otherwise"), NodeState.PENDING)
        case _:
            assert_never(event)


def waiting_for_signal(name: str, correlation_id: str | None) -> str:
    """Say which signal is awaited."""
    key = "" if correlation_id is None else f" ({one_line(correlation_id)})"
    return f"waits for signal {one_line(name)}{key}"


_FACTS: Mapping[str, Callable[[Any], str]] = MappingProxyType(
    {
        "title": lambda title: f'asks "{one_line(title)}"',
        "afterS": lambda after_s: f"waits {duration(round(after_s * _SECOND_MS))}",
        "until": lambda until: f"waits until {until}",
        "signalName": lambda name: f"waits for signal {one_line(name)}",
        "correlationId": lambda key: f"key {one_line(key)}",
        "label": lambda label: f'"{one_line(label)}"',
        "dependsOn": lambda names: "after " + ", ".join(names),
        "needsApproval": lambda _: "needs approval",
        "retries": lambda retries: f"retries {retries}",
        "retryOn": lambda names: "on " + ", ".join(names),
        "timeoutS": lambda timeout_s: f"timeout {duration(int(timeout_s * _SECOND_MS))}",
        "continueOnFail": lambda _: "may fail",
        "onTimeout": lambda on_timeout: "" if on_timeout == OnTimeout.FAIL else f"then: {on_timeout}",
        "onDeny": lambda on_deny: "" if on_deny == OnDeny.FAIL else f"if denied: {on_deny}",
    }
)
"""The phrase for each fact of an element in the tree."""


def fact_phrases(element: Mapping[str, Any]) -> Iterator[str]:
    """Yield the phrases for the facts of an element in the tree."""
    said = (say(element[fact]) for fact, say in _FACTS.items() if fact in element)
    return (phrase for phrase in said if phrase)


def wait_phrases(node: NodeRecord) -> Iterator[str]:
    """Yield what a node waits for; for an approval also its decision."""
    for wait in node.waits.values():
        if wait.status is WaitStatus.OPEN and isinstance(wait.request, events.NodeWaitingEvent):
            yield waiting_for_signal(wait.request.name, wait.request.correlation_id)
        if wait.status is WaitStatus.OPEN and wait.due_at_ms is not None:
            yield f"until {date_and_time(wait.due_at_ms)}"
    if node.approval is None:
        return
    if node.state is NodeState.WAITING_APPROVAL:
        yield one_line(node.approval.request.title)
    if node.approval.decision is not None:
        decision = node.approval.decision
        yield ("approved" if decision.approved else "denied") + _by_and_note(decision.decided_by, None)


def progress(done: float | None, total: float | None, message: str | None) -> str:
    """Format the progress of an attempt: "3/10 uploading"."""
    count = "" if done is None else f"{done:g}" + ("" if total is None else f"/{total:g}")
    return " ".join(part for part in (count, one_line(message or "")) if part)


def _of_node(event: Any, what: str, state: NodeState = NodeState.FINISHED) -> Phrase:
    return Phrase(f"{node_name(event.node_id, event.iteration)} {what}", NODE_STYLES[state].style)


def _attempt(attempt: int | None) -> str:
    return "" if attempt is None or attempt == 1 else f" (attempt {attempt})"


def _by_and_note(by: str | None, note: str | None) -> str:
    return (f" by {one_line(by)}" if by else "") + (f": {one_line(note)}" if note else "")
