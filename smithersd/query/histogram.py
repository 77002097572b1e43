"""A histogram as Prometheus defines it, in plain numbers."""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate

DURATION_BOUNDS_S = (
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400, 604_800,
)  # fmt: skip
"""Bounds from a trivial task to an approval that waits for a week."""
REQUEST_BOUNDS_S = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Histogram:
    """Counts observations by the smallest bound that they do not exceed."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Add one observation."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return the bound and the cumulative count of every bucket."""
        return list(zip(self._names(), accumulate(self._counts), strict=True))

    def _names(self) -> Iterator[str]:
        yield from (str(float(bound)) for bound in self._bounds)
        yield "+Inf"
