"""Metrics of an app's HTTP traffic: requests and durations. Every label has a bounded number of values."""

from collections import Counter
from collections.abc import Iterable, Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from smithersd.query.histogram import REQUEST_BOUNDS_S, Histogram

UNMATCHED = "unmatched"
"""The route label of every path and method that no route has."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traffic:
    """Requests by method, route and status; their durations by method and route."""

    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._durations: dict[tuple[str, str], Histogram] = {}

    def create_series(self, routes: Iterable[tuple[str, str]]) -> None:
        """Create the series of these pairs of method and route before their first request."""
        for method, route in routes:
            self._requests[method, route, 200] = 0
            self._durations[method, route] = Histogram(REQUEST_BOUNDS_S)

    def count(self, method: str, route: str, status: int, duration_s: float | None) -> None:
        """Count a request; its duration is None for a stream, and if the client disconnected before the response."""
        if method not in _METHODS:
            method = "other"
        self._requests[method, route, status] += 1
        if duration_s is not None:
            self._durations.setdefault((method, route), Histogram(REQUEST_BOUNDS_S)).observe(duration_s)

    def families(self) -> Iterator[Metric]:
        """Yield both families with their current values."""
        requests = CounterMetricFamily(
            "smithers_http_requests",
            "Requests that were answered; a stream counts when it has ended.",
            labels=("method", "route", "status_code", "status_class"),
        )
        for (method, route, status), count in self._requests.items():
            requests.add_metric((method, route, str(status), f"{status // 100}xx"), count)
        yield requests
        durations = HistogramMetricFamily(
            "smithers_http_request_duration_seconds",
            "From a request's head to its answer; streams are left out.",
            labels=("method", "route"),
        )
        for labels, histogram in self._durations.items():
            durations.add_metric(labels, histogram.buckets(), histogram.sum)
        yield durations
