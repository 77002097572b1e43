"""Lines of the log that strangers can cause: few of them, however often they do."""

import logging
import time

from smithersd.limits import LOG_REPEAT_S


class LimitedLog:
    """Writes a line at once, and then at most one every LOG_REPEAT_S, which tells how many were left out."""

    def __init__(self, logger: logging.Logger, *, repeat_s: float = LOG_REPEAT_S) -> None:
        self._logger = logger
        self._repeat_s = repeat_s
        self._quiet_until_s = float("-inf")
        self._left_out = 0

    def warn(self, line: str) -> None:
        """Write the line as a warning, or count it."""
        now_s = time.monotonic()
        if now_s < self._quiet_until_s:
            self._left_out += 1
            return
        more = f" ({self._left_out} lines like it were left out.)" if self._left_out else ""
        self._quiet_until_s = now_s + self._repeat_s
        self._left_out = 0
        self._logger.warning("%s%s", line, more)
