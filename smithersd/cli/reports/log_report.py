"""The report to a log: a line for each event, and for each message of the server or the engine.

    2026-11-24T14:03:09.120Z INFO    release-20261124-140309-abcd publish asks: Publish it?

The same as JSON: `{"time", "level", "run", "node"?, "event"?, "message", "traceback"?}`. The system's journal records
time, unit and priority itself: there a line of text is only the message, and JSON is the same.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO, assert_never

import pydantic_core

from smithersd.cli.terminal.printer import Printer
from smithersd.cli.text import phrases
from smithersd.cli.text.run_summary import closing_lines, opening_lines, standby_lines, waiting_for_store
from smithersd.core.log import events
from smithersd.core.log.events import Event, Recorded
from smithersd.daemon import command_lines
from smithersd.daemon.options import LogFormat
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.daemon.state.folder import RunFolder
from smithersd.daemon.state.log_file import LogFile
from smithersd.daemon.state.tracebacks import traceback_of
from smithersd.engine import SystemClock
from smithersd.posix.system_journal import is_journal, with_priority
from smithersd.query.approvals import PendingApproval

_OMITTED = (events.NodePending, events.FrameCommitted, *phrases.REDUNDANT_EVENTS, events.TaskHeartbeat)
"""Events without a line: another event says the same, or it is of no use in a log."""
_WARNINGS = (events.NodeFailed, events.NodeRetrying, events.NodeInterrupted, events.ApprovalDenied)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log; `event` is the event's type, `level` one of `logging`."""

    at_ms: int
    level: int
    message: str
    node: str | None = None
    event: str | None = None
    traceback: str | None = None


class LogReport:
    """A report to a log file, whose path may depend on the run's id, or to stderr."""

    def __init__(
        self, place: Callable[[RunFolder], Path | None], log_format: LogFormat, stderr: TextIO | None = None
    ) -> None:
        """`place` returns the log's path for a run's folder; a log without a path goes to `stderr`."""
        self._place = place
        self._write = _writer(log_format, is_in_journal=is_journal(stderr))
        self._file: LogFile | None = None
        self._printer: Printer | None = None
        self._stderr = stderr
        self._started_run: StartedRun | None = None
        self._run_id = "-"
        self._lost_lines = 0

    @property
    def path(self) -> Path | None:
        """The path of the file, once it is open."""
        return None if self._file is None else self._file.path

    def settle(self, run_id: str, folder: RunFolder) -> None:
        """Open the log file.

        Raises:
            UserError: the file cannot be opened.
        """
        self._run_id = run_id
        path = self._place(folder)
        if path is not None:
            self._file = LogFile(path)

    def reopen(self) -> None:
        """Open the file that is now at the log's path."""
        if self._file is not None:
            self._file.reopen()

    def discard(self) -> None:
        """Remove the file if this process created it."""
        if self._file is not None:
            self._file.discard()

    def record(self, record: logging.LogRecord) -> None:
        """Write a record of one of our loggers."""
        trace = traceback_of(record)
        self.say([Line(round(record.created * 1000), record.levelno, record.getMessage(), traceback=trace)])

    def warn(self, text: str) -> None:
        """Write a warning."""
        self._say_all(text.splitlines(), logging.WARNING)

    def wait_for_store(self, problem: str | None) -> None:
        """Write the problem once."""
        if problem is not None:
            self._say_all([waiting_for_store(problem)], logging.WARNING)

    def stand_by(self, waiting: StandingBy) -> None:
        """Write what this process waits for."""
        self._say_all(standby_lines(waiting))

    def begin(self, started_run: StartedRun) -> None:
        """Write the opening lines: the run, its status and its URL."""
        self._started_run = started_run
        self._say_all(opening_lines(started_run))
        for node in started_run.engine.state.awaiting_approval if started_run.engine.is_resumed else ():
            if node.approval is not None:
                title = phrases.one_line(node.approval.request.title)
                self._say_all([f"{phrases.node_name(*node.key)} still asks: {title}"])

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Write a line for each event."""
        for entry in recorded:
            if not isinstance(entry.event, _OMITTED):
                self.say(_lines_of(entry))

    def ask(self, approval: PendingApproval) -> None:
        """Do nothing: the event has a line."""

    def reload(self) -> None:
        """Do nothing: the log has been reopened already."""

    def end(self, *, is_still_served: bool, result: str | None) -> None:
        """Write the run's status."""
        if self._started_run is not None:
            ended_by = command_lines.down(self._started_run.engine.run_id, storage=self._started_run.storage)
            closing = closing_lines(
                self._started_run, is_still_served=is_still_served, result=result, ended_by=ended_by
            )
            self._say_all(line.text for line in closing)

    def close(self) -> None:
        """Write what is buffered; author code may still print into the log."""
        if self._printer is not None:
            self._printer.close()

    def release(self) -> None:
        """Write what is buffered, as far as that does not block."""
        if self._printer is not None:
            self._printer.close(has_deadline=True)

    def say(self, lines: Sequence[Line]) -> None:
        """Write lines; if that fails, count them, and write the count before the next line that can be written."""
        if self._stderr is not None:
            self._printer = self._printer or Printer()
            self._printer.write(self._text(lines), self._stderr)
        elif self._file is not None and lines:
            lost = [_missing_lines(self._lost_lines)] if self._lost_lines else []
            is_written = self._file.write(self._text([*lost, *lines]))
            self._lost_lines = 0 if is_written else self._lost_lines + len(lines)

    def _text(self, lines: Iterable[Line]) -> str:
        return "".join(self._write(self._run_id, line) + "\n" for line in lines)

    def _say_all(self, texts: Iterable[str], level: int = logging.INFO) -> None:
        now_ms = SystemClock().now_ms()
        self.say([Line(now_ms, level, text.strip()) for text in texts])


def _missing_lines(count: int) -> Line:
    return Line(
        SystemClock().now_ms(), logging.WARNING, f"{count} lines are missing here: the log could not be written."
    )


def _lines_of(recorded: Recorded) -> list[Line]:
    event = recorded.event
    node = getattr(event, "node_id", None)
    level = _level(event)
    return [
        Line(recorded.timestamp_ms, level, phrase.text, node, type(event).__name__)
        for phrase in phrases.event_phrases(event, zone=UTC)
    ]


def _level(event: Event) -> int:
    if isinstance(event, events.RunFailed):
        return logging.ERROR
    return logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO


def _human(run_id: str, line: Line) -> str:
    text = f"{_time(line.at_ms)} {logging.getLevelName(line.level):<7} {run_id} {line.message}"
    return text if line.traceback is None else f"{text}\n{line.traceback}"


def _json(run_id: str, line: Line) -> str:
    values = {
        "time": _time(line.at_ms),
        "level": logging.getLevelName(line.level).lower(),
        "run": run_id,
        "node": line.node,
        "event": line.event,
        "message": line.message,
        "traceback": line.traceback,
    }
    return pydantic_core.to_json({name: value for name, value in values.items() if value is not None}).decode()


def _journal_human(_: str, line: Line) -> str:
    text = line.message if line.traceback is None else f"{line.message}\n{line.traceback}"
    return with_priority(text, line.level)


def _journal_json(run_id: str, line: Line) -> str:
    return with_priority(_json(run_id, line), line.level)


def _writer(log_format: LogFormat, *, is_in_journal: bool) -> Callable[[str, Line], str]:
    match log_format:
        case LogFormat.HUMAN:
            return _journal_human if is_in_journal else _human
        case LogFormat.JSON:
            return _journal_json if is_in_journal else _json
        case _:
            assert_never(log_format)


def _time(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
