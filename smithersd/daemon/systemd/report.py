"""The report to the service manager (systemd), by the protocol of sd_notify(3).

READY=1 is sent when the run's first step is durable and /health answers, STATUS= has the run's status and what it waits
for, and the event loop sends the watchdog's pings: if author code blocks the loop for too long, systemd ends the
process (SIGABRT, after which the log shows the line that blocked) and restarts it, and the run is resumed.
"""

import asyncio
import faulthandler
import sys
import time
from collections.abc import Sequence

from smithersd.core.log import events
from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.daemon.report import StandingBy, StartedRun
from smithersd.posix.sd_notify import Notifier
from smithersd.query.approvals import PendingApproval

_APPROVALS_NAMED_MAX = 3
_PINGS_PER_INTERVAL = 2
"""Pings per interval of the watchdog, as sd_watchdog_enabled(3) recommends."""
_EXTENSION_S = 60.0
"""How much each try to reach the store extends the start's timeout; longer than a try and the pause after it."""

_CHANGES_OF_STATUS = (
    events.RunStatusChanged,
    events.RunFinished,
    events.RunFailed,
    events.RunCancelled,
    events.RunSuspended,
    events.ApprovalRequested,
    events.ApprovalGranted,
    events.ApprovalDenied,
    events.NodeCancelled,
)


class SystemdReport:
    """Reports to the service manager that started this process."""

    def __init__(self, notifier: Notifier, watchdog_s: float | None) -> None:
        self._notifier = notifier
        self._watchdog_s = watchdog_s
        self._run: RunState | None = None
        self._status: str | None = None
        self._is_ready = False
        self._is_stopping = False
        if watchdog_s is not None:
            faulthandler.enable(file=sys.__stderr__ or sys.stderr)

    def warn(self, text: str) -> None:
        """Do nothing: systemd takes no warnings."""

    def wait_for_store(self, problem: str | None) -> None:
        """Set the status to the problem, and extend the start's timeout."""
        self._notifier.send(f"EXTEND_TIMEOUT_USEC={round(_EXTENSION_S * 1e6)}")
        if problem is not None:
            self._send_status(f"waiting for the store: {problem}")

    def stand_by(self, waiting: StandingBy) -> None:
        """Send READY=1, and set the status to who drives the run."""
        self._send_ready()
        by = "the run is suspended" if waiting.driver is None else f"{waiting.driver} drives the run"
        self._send_status(f"standing by, {by}")

    def begin(self, started_run: StartedRun) -> None:
        """Send READY=1 and the run's status."""
        self._run = started_run.engine.state
        self._send_ready()
        self._send_status(self._status_line())

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Send the run's status, when it has changed."""
        if self._run is not None and any(isinstance(entry.event, _CHANGES_OF_STATUS) for entry in recorded):
            self._send_status(self._status_line())

    def ask(self, approval: PendingApproval) -> None:
        """Do nothing: the status names the approval."""

    def reload(self) -> None:
        """Send RELOADING=1 and READY=1: the log has been reopened already."""
        self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._notifier.send("READY=1")

    def end(self, *, is_still_served: bool, result: str | None) -> None:  # noqa: ARG002
        """Send STOPPING=1, unless the run is still served."""
        if not is_still_served:
            self._send_stopping()

    def close(self) -> None:
        """Send STOPPING=1, if that was not done."""
        self._send_stopping()

    def release(self) -> None:
        """Do nothing: there is no terminal."""

    def _send_stopping(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._notifier.send("STOPPING=1")

    def _send_ready(self) -> None:
        """Send READY=1 once, and start to ping the watchdog."""
        if self._is_ready:
            return
        self._is_ready = True
        self._notifier.send("READY=1")
        if self._watchdog_s is not None:
            self._ping_watchdog(asyncio.get_running_loop(), self._watchdog_s / _PINGS_PER_INTERVAL)

    def _send_status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._notifier.send(f"STATUS={status}")

    def _status_line(self) -> str:
        assert self._run is not None
        status = self._run.status
        waiting = [] if status.is_at_rest else self._run.awaiting_approval
        if not waiting:
            return status.value
        named = [node.node_id for node in waiting[:_APPROVALS_NAMED_MAX]]
        more = f" and {len(waiting) - len(named)} more" if len(waiting) > len(named) else ""
        return f"{status.value}, pending approvals: {', '.join(named)}{more}"

    def _ping_watchdog(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        self._notifier.send("WATCHDOG=1")
        loop.call_later(interval_s, self._ping_watchdog, loop, interval_s)
