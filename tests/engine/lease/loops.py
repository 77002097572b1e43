"""An event loop whose time passes at once: as soon as nobody has anything to do, the next timer is due."""

import asyncio
from collections.abc import Callable
from typing import Any


class LeapingLoop(asyncio.SelectorEventLoop):
    """Its clock leaps to the next timer unless `is_busy` says that an answer from elsewhere is still to come."""

    def __init__(self) -> None:
        self._now_s = 0.0
        self.is_busy: Callable[[], bool] = lambda: False
        super().__init__()

    def time(self) -> float:
        """Return the loop's own time."""
        return self._now_s

    def _run_once(self) -> None:
        inside: Any = vars(self)  # what asyncio's own loops keep
        if inside["_scheduled"] and not inside["_ready"] and not self.is_busy():
            self._now_s = max(self._now_s, inside["_scheduled"][0].when())
        super()._run_once()  # type: ignore[misc]  # what asyncio's own loops are made of
