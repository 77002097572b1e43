"""What `up` says where there is no terminal to draw on: a line for each event that matters."""

import sys
from collections.abc import Iterable, Sequence
from typing import TextIO

from smithersd.cli import words
from smithersd.cli.printer import Printer
from smithersd.cli.tidings import closing_lines, command_that_decides, opening_lines, standby_lines
from smithersd.core import events
from smithersd.core.events import Recorded
from smithersd.core.states import NodeState
from smithersd.daemon.report import Begun, StandingBy

_UNTOLD = (
    events.RunStarted,
    events.RunResumed,
    events.RunStatusChanged,
    events.RunFinished,
    events.RunFailed,
    events.RunCancelled,
    events.RunSuspended,
    events.FrameCommitted,
    events.NodePending,
    events.NodeWaitingApproval,
    events.BranchDecided,
    events.TaskHeartbeat,
)
"""Events without a line of their own: the opening and closing lines say it, or another event does."""


def _is_told(event: events.Event) -> bool:
    return not isinstance(event, _UNTOLD) or (isinstance(event, events.RunResumed) and event.workflow_changed)


class PlainReport:
    """Prints lines: what happens to stdout, what is wrong to stderr."""

    def __init__(self) -> None:
        self._begun: Begun | None = None
        self._printer = Printer()

    def warn(self, text: str) -> None:
        """Print to stderr."""
        self._print(text.splitlines(), sys.stderr)

    def stand_by(self, waiting: StandingBy) -> None:
        """Say what is waited for."""
        self._print(standby_lines(waiting), sys.stdout)

    def begin(self, begun: Begun) -> None:
        """Say what runs and where, and what it asked before this process took it up."""
        self._begun = begun
        self._print(opening_lines(begun), sys.stdout)
        for node in begun.engine.state.nodes.values() if begun.engine.is_resumed else ():
            if node.gate is not None and node.state is NodeState.WAITING_APPROVAL:
                self._say_gate(node.gate.requested_at_ms, node.key, node.gate.title)

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Print a line for each that matters."""
        for one in recorded:
            if isinstance(one.event, events.ApprovalRequested):
                self._say_gate(one.timestamp_ms, (one.event.node_id, one.event.iteration), one.event.title)
            elif _is_told(one.event):
                self._say(one.timestamp_ms, [phrase.text for phrase in words.event_phrases(one.event)])

    def reload(self) -> None:
        """There is nothing to read anew."""

    def end(self, *, is_still_served: bool) -> None:
        """Say how the run ended, and what to do next."""
        if self._begun is not None:
            self._print(closing_lines(self._begun, is_still_served=is_still_served), sys.stdout)

    def close(self) -> None:
        """Print what is left."""
        self._printer.close()

    def release(self) -> None:
        """There is nothing to put back."""

    def _say_gate(self, at_ms: int, key: tuple[str, int], title: str) -> None:
        assert self._begun is not None, "a run begins before it asks"
        self._say(at_ms, [f"{words.node_name(*key)} asks: {words.one_line(title)}"])
        self._print([f"          {command_that_decides(self._begun, key)}"], sys.stdout)

    def _say(self, at_ms: int, texts: Iterable[str]) -> None:
        self._print([f"{words.time_of_day(at_ms)}  {text}" for text in texts], sys.stdout)

    def _print(self, lines: Iterable[str], stream: TextIO | None) -> None:
        self._printer.write("".join(f"{line}\n" for line in lines), stream)
