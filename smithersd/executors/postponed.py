"""An attempt that waits because the system lacks the resources to start it."""

from collections.abc import Callable

from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Running, Stopped
from smithersd.limits import START_RETRY_FIRST_S, START_RETRY_MAX_S
from smithersd.loggers import logger
from smithersd.posix.shortage import is_shortage

_log = logger(__name__)


class Postponed:
    """An attempt whose start is retried, at growing intervals, until it succeeds or the attempt is told to end."""

    def __init__(self, attempt: Attempt, begin: Callable[[], Running], shortage: BaseException) -> None:
        """`begin` starts the attempt; it raises an error for which `is_shortage` is true while resources are short."""
        self._attempt = attempt
        self._begin = begin
        self._running: Running | None = None
        self._delay_s = START_RETRY_FIRST_S
        attempt.shared.registry.add(self)
        _log.warning("%s cannot be started now, and will be retried: %s.", attempt.info, shortage)
        self._timer = attempt.shared.bridge.later(self._delay_s, self._try_again)

    @property
    def is_end_awaited(self) -> bool:
        """True: nothing has started yet."""
        return True

    def stop(self) -> None:
        """Stop the attempt if it has started; otherwise never start it."""
        if self._running is not None:
            self._running.stop()
        elif not self._attempt.is_stop_requested:
            self._attempt.is_stop_requested = True
            self._give_up()
            self._attempt.end(Stopped())

    def abandon(self) -> None:
        """Abandon the attempt if it has started; otherwise never start it."""
        if self._running is not None:
            self._running.abandon()
            return
        self._give_up()
        self._attempt.abandon()

    def _try_again(self) -> None:
        try:
            self._running = self._begin()
        except Exception as error:
            if not is_shortage(error):
                raise
            self._delay_s = min(2 * self._delay_s, START_RETRY_MAX_S)
            self._timer = self._attempt.shared.bridge.later(self._delay_s, self._try_again)
        else:
            self._attempt.shared.registry.discard(self)
            _log.info("%s was started after a wait for resources.", self._attempt.info)

    def _give_up(self) -> None:
        self._timer.cancel()
        self._attempt.shared.registry.discard(self)
