"""The report of `up` to a terminal: the run's nodes at the bottom, and above them what tasks print."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from smithersd.cli.terminal.live_region import LiveRegion, Screen
from smithersd.cli.terminal.live_view import live_view
from smithersd.cli.terminal.streams import Streams
from smithersd.cli.text import phrases
from smithersd.cli.text.columns import wrapped
from smithersd.cli.text.phrases import Phrase
from smithersd.cli.text.run_summary import closing_lines, opening_lines, standby_lines, waiting_for_store
from smithersd.core.log import events
from smithersd.core.log.events import Recorded
from smithersd.core.log.records import NodeKey
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.engine import SystemClock
from smithersd.query.approvals import PendingApproval


class LiveReport:
    """A report that draws the run on the terminal of stdout."""

    def __init__(self, streams: Streams) -> None:
        self._region = LiveRegion(streams)
        self._clock = SystemClock()
        self._started_run: StartedRun | None = None
        self._notes: dict[NodeKey, str] = {}
        self._approvals: dict[NodeKey, PendingApproval] = {}

    def warn(self, text: str) -> None:
        """Print the warning in red."""
        self._region.print_errors([Text(line, "bold red") for line in text.splitlines()])

    def wait_for_store(self, problem: str | None) -> None:
        """Print the problem once."""
        if problem is not None:
            self.warn(waiting_for_store(problem))

    def stand_by(self, waiting: StandingBy) -> None:
        """Print what this process waits for; nothing is drawn."""
        self._region.stop()
        self._notes.clear()
        self._approvals.clear()
        self._region.print([Text(line) for line in standby_lines(waiting)])

    def begin(self, started_run: StartedRun) -> None:
        """Print the opening lines, and start to draw."""
        self._started_run = started_run
        self._region.print([Text(line, "bold") for line in opening_lines(started_run)])
        if not started_run.engine.is_ended_before:
            self._region.start(self._view)

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Note the events and schedule a drawing."""
        for entry in recorded:
            self._note(entry.event)
        self._region.change()

    def ask(self, approval: PendingApproval) -> None:
        """Show the approval while it waits."""
        self._approvals[approval.key] = approval
        self._region.change()

    def reload(self) -> None:
        """Do nothing: no file is open."""

    def end(self, *, is_still_served: bool, result: str | None) -> None:
        """Leave the last drawing on the screen, and print how the run ended."""
        self._region.stop()
        if self._started_run is not None:
            closing = closing_lines(self._started_run, is_still_served=is_still_served, result=result)
            self._region.print(self._broken(closing))

    def close(self) -> None:
        """Restore the terminal."""
        self._region.close()

    def release(self) -> None:
        """Show the cursor again."""
        self._region.release()

    def _broken(self, lines: Sequence[Phrase]) -> list[Text]:
        """Return lines wrapped between words; those that are whole are not wrapped."""
        width = self._region.width
        return [
            Text(part, line.style)
            for line in lines
            for part in ([line.text] if line.is_whole else wrapped(line.text, width))
        ]

    def _note(self, event: events.Event) -> None:
        match event:
            case events.NodeOutput() | events.RunResumed(workflow_changed=True):
                self._region.print([Text(phrase.text, phrase.style) for phrase in phrases.event_phrases(event)])
            case events.NodeProgress():
                self._notes[event.node_id, event.iteration] = phrases.progress(event.done, event.total, event.message)
            case events.ApprovalGranted() | events.ApprovalDenied():
                self._approvals.pop((event.node_id, event.iteration), None)
            case events.NodeFinished() | events.NodeFailed() | events.NodeCancelled() | events.NodeInterrupted():
                self._notes.pop((event.node_id, event.iteration), None)
            case _:
                pass

    def _view(self, screen: Screen) -> RenderableType:
        assert self._started_run is not None, "the region is started by a run that has started"
        return live_view(
            self._started_run, screen, now_ms=self._clock.now_ms(), notes=self._notes, approvals=self._approvals
        )
