"""Log lines that any client can cause, even without a token: only a few are written, however many are caused."""

import logging
import time

from smithersd.limits import LOG_REPEAT_S


class LimitedLog:
    """Writes a line at once, then at most one every LOG_REPEAT_S seconds, with the number of lines left out."""

    def __init__(self, logger: logging.Logger, *, repeat_s: float = LOG_REPEAT_S) -> None:
        self._logger = logger
        self._repeat_s = repeat_s
        self._quiet_until_s = float("-inf")
        self._left_out = 0

    def warn(self, line: str) -> None:
        """Log the line as a warning, or count it as left out."""
        now_s = time.monotonic()
        if now_s < self._quiet_until_s:
            self._left_out += 1
            return
        more = f" ({self._left_out} similar lines were left out.)" if self._left_out else ""
        self._quiet_until_s = now_s + self._repeat_s
        self._left_out = 0
        self._logger.warning("%s%s", line, more)
