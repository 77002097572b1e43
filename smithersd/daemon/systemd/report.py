"""What a service manager (systemd) is told of a run: a report beside those that people read.

READY=1 comes when the run's first step is durable and /health answers, STATUS= says how the run stands and what it
waits for, and the watchdog is fed by the event loop: author code that blocks the loop for too long has the process
ended (SIGABRT, after which the log shows the line that blocked), restarted and the run resumed.
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
_FEEDS_PER_PERIOD = 2
"""As sd_watchdog_enabled(3) advises: a sign of life in half of the time that it may take."""
_EXTENSION_S = 60.0
"""How much time for the start each try to reach the store asks for; longer than a try and the rest after it take."""

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
        """It is not for warnings."""

    def wait_for_store(self, problem: str | None) -> None:
        """Tell what is waited for, and ask for more time before the start counts as failed."""
        self._notifier.tell(f"EXTEND_TIMEOUT_USEC={round(_EXTENSION_S * 1e6)}")
        if problem is not None:
            self._tell_status(f"waiting for the store: {problem}")

    def stand_by(self, waiting: StandingBy) -> None:
        """Tell that the service is ready to take the run up, and who has it."""
        self._tell_ready()
        by = "the run is suspended" if waiting.driver is None else f"{waiting.driver} drives the run"
        self._tell_status(f"standing by, {by}")

    def begin(self, started_run: StartedRun) -> None:
        """Tell that the service is ready, and how the run stands."""
        self._run = started_run.engine.state
        self._tell_ready()
        self._tell_status(self._status_line())

    def show(self, recorded: Sequence[Recorded]) -> None:
        """Tell how the run stands, when that has changed."""
        if self._run is not None and any(isinstance(one.event, _CHANGES_OF_STATUS) for one in recorded):
            self._tell_status(self._status_line())

    def ask(self, approval: PendingApproval) -> None:
        """The status names the approvals."""

    def reload(self) -> None:
        """Tell that it was done: by now the log is a new file."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        self._notifier.tell("READY=1")

    def end(self, *, is_still_served: bool) -> None:
        """Tell that the service stops, unless it goes on to serve."""
        if not is_still_served:
            self._tell_stopping()

    def close(self) -> None:
        """Tell that the service stops, whatever made it."""
        self._tell_stopping()

    def release(self) -> None:
        """There is no terminal."""

    def _tell_stopping(self) -> None:
        if not self._is_stopping:
            self._is_stopping = True
            self._notifier.tell("STOPPING=1")

    def _tell_ready(self) -> None:
        """Tell it once, and begin to feed the watchdog."""
        if self._is_ready:
            return
        self._is_ready = True
        self._notifier.tell("READY=1")
        if self._watchdog_s is not None:
            self._feed(asyncio.get_running_loop(), self._watchdog_s / _FEEDS_PER_PERIOD)

    def _tell_status(self, status: str) -> None:
        if status != self._status:
            self._status = status
            self._notifier.tell(f"STATUS={status}")

    def _status_line(self) -> str:
        assert self._run is not None
        status = self._run.status
        waiting = [] if status.is_at_rest else self._run.awaiting_approval
        if not waiting:
            return status.value
        named = [node.node_id for node in waiting[:_APPROVALS_NAMED_MAX]]
        more = f" and {len(waiting) - len(named)} more" if len(waiting) > len(named) else ""
        return f"{status.value}, a person is to decide: {', '.join(named)}{more}"

    def _feed(self, loop: asyncio.AbstractEventLoop, interval_s: float) -> None:
        self._notifier.tell("WATCHDOG=1")
        loop.call_later(interval_s, self._feed, loop, interval_s)
