"""An attempt that waits because the system has no room for it."""

from collections.abc import Callable

from smithersd.executors.attempt import Attempt
from smithersd.executors.call import Running, Stopped
from smithersd.limits import START_RETRY_FIRST_S, START_RETRY_MAX_S
from smithersd.loggers import logger
from smithersd.posix.shortage import is_shortage

_log = logger(__name__)


class Postponed:
    """An attempt whose start is tried again, ever more rarely, until there is room or it is told to end."""

    def __init__(self, attempt: Attempt, begin: Callable[[], Running], shortage: BaseException) -> None:
        """`begin` starts the attempt; it raises what `is_shortage` knows while there is no room."""
        self._attempt = attempt
        self._begin = begin
        self._running: Running | None = None
        self._delay_s = START_RETRY_FIRST_S
        attempt.shared.registry.add(self)
        _log.warning("%s waits: it cannot be started now (%s).", attempt.info, shortage)
        self._timer = attempt.shared.bridge.later(self._delay_s, self._try_again)

    @property
    def ends_soon(self) -> bool:
        """Whether its end can be waited for: nothing has begun."""
        return True

    def stop(self) -> None:
        """End what has begun, or never begin."""
        if self._running is not None:
            self._running.stop()
        elif not self._attempt.is_told_to_end:
            self._attempt.is_told_to_end = True
            self._give_up()
            self._attempt.end(Stopped())

    def abandon(self) -> None:
        """Leave behind what has begun, or never begin."""
        if self._running is not None:
            self._running.abandon()
            return
        self._give_up()
        self._attempt.leave_behind()

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
            _log.info("%s has begun after all.", self._attempt.info)

    def _give_up(self) -> None:
        self._timer.cancel()
        self._attempt.shared.registry.discard(self)
