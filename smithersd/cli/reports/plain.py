"""The report of `up` to a pipe or file: a line for each event that matters."""

from collections.abc import Iterable, Sequence
from typing import TextIO

from smithersd.cli.terminal.printer import Printer
from smithersd.cli.terminal.streams import Streams
from smithersd.cli.text import phrases
from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.run_summary import (
    approve_command,
    closing_lines,
    opening_lines,
    standby_lines,
    waiting_for_store,
)
from smithersd.core.log import events
from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeKey
from smithersd.daemon import command_lines
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.limits import APPROVAL_LINES_MAX
from smithersd.query.approvals import PendingApproval

_BELOW = " " * 10
"""The indentation of further lines of an event."""
_OMITTED = (
    events.RunStarted,
    events.RunResumed,
    events.RunStatusChanged,
    events.RunFinished,
    events.RunFailed,
    events.RunCancelled,
    events.RunSuspended,
    events.FrameCommitted,
    events.NodePending,
    *phrases.REDUNDANT_EVENTS,
    events.BranchDecided,
    events.TaskHeartbeat,
)
"""Events without a line of their own: the opening and closing lines say the same, or another event does."""


def _is_printed(event: events.Event) -> bool:
    return not isinstance(event, _OMITTED) or (isinstance(event, events.RunResumed) and event.workflow_changed)


class PlainReport:
    """A report that prints events to stdout and warnings to stderr."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self._started_run: StartedRun | None = None
        self._printer = Printer()
        self._unprinted_requests: dict[NodeKey, Recorded] = {}
        """Requests of approvals that have not been printed yet."""

    def warn(self, text: str) -> None:
        """Print the warning to stderr."""
        self._print(text.splitlines(), self._streams.err)

    def wait_for_store(self, problem: str | None) -> None:
        """Print the problem once."""
        if problem is not None:
            self.warn(waiting_for_store(problem))

    def stand_by(self, waiting: StandingBy) -> None:
        """Print what this process waits for."""
        self._print(standby_lines(waiting), self._streams.out)

    def begin(self, started_run: StartedRun) -> None:
        """Print the opening lines: the run, its status and its URL."""
        self._started_run = started_run
        self._print(opening_lines(started_run), self._streams.out)

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Print a line for each event that matters."""
        for entry in recorded:
            if isinstance(entry.event, events.ApprovalRequested):
                self._unprinted_requests[entry.event.node_id, entry.event.iteration] = entry
            elif _is_printed(entry.event):
                self._print_request(getattr(entry.event, "node_id", None))
                self._print_event(entry)

    def ask(self, approval: PendingApproval) -> None:
        """Print the approval, and the command that decides it."""
        assert self._started_run is not None, "a run begins before it asks"
        self._unprinted_requests.pop(approval.key, None)
        whole = command_lines.inspect(self._started_run.engine.run_id, storage=self._started_run.storage)
        head, *details = approval_lines(approval, lines_max=APPROVAL_LINES_MAX, whole=whole)
        self._print_at(approval.requested_at_ms, [head.text])
        command = approve_command(self._started_run, approval.key)
        self._print([f"{_BELOW}{line.text.strip()}" for line in details] + [f"{_BELOW}{command}"], self._streams.out)

    def reload(self) -> None:
        """Do nothing: no file is open."""

    def end(self, *, is_still_served: bool, result: str | None) -> None:
        """Print how the run ended, and the next command."""
        if self._started_run is not None:
            for key in list(self._unprinted_requests):
                self._print_request(key[0])
            closing = closing_lines(self._started_run, is_still_served=is_still_served, result=result)
            self._print([line.text for line in closing], self._streams.out)

    def close(self) -> None:
        """Print what is buffered."""
        self._printer.close()

    def release(self) -> None:
        """Print what is buffered, as far as that does not block."""
        self._printer.close(has_deadline=True)

    def _print_request(self, node_id: str | None) -> None:
        """Print the request of an approval that was decided before it was shown."""
        for key in [key for key in self._unprinted_requests if key[0] == node_id]:
            self._print_event(self._unprinted_requests.pop(key))

    def _print_event(self, recorded: Recorded) -> None:
        self._print_at(recorded.timestamp_ms, [phrase.text for phrase in phrases.event_phrases(recorded.event)])

    def _print_at(self, at_ms: int, texts: Iterable[str]) -> None:
        self._print([f"{phrases.time_of_day(at_ms)}  {text}" for text in texts], self._streams.out)

    def _print(self, lines: Iterable[str], stream: TextIO | None) -> None:
        self._printer.write("".join(f"{line}\n" for line in lines), stream)
