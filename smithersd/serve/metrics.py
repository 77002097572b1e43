"""The metrics of an app: counters from the run's log, gauges from its current state, HTTP traffic, the process.

Each app has a registry of its own. Every series of the run exists from the start, also before the run does.
"""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from smithersd.core.log.events import Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.states import NodeState
from smithersd.query.run_metrics import COUNTERS, DURATIONS, RunMetrics
from smithersd.serve.traffic import Traffic

_STATM = Path("/proc/self/statm")


class Metrics:
    """The metrics of one app, and the registry that exposes them."""

    def __init__(self, *, run_id: str, workflow_name: str, open_streams: Callable[[], int]) -> None:
        self._info = {"run_id": run_id, "workflow": workflow_name}
        self.run_metrics = RunMetrics()
        self.traffic = Traffic()
        self._run = RunState("")
        self._open_streams = open_streams
        self._created_at_s = time.monotonic()
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self.families))

    def observe(self, run: RunState, recorded: Recorded) -> None:
        """Count an event of the run, and keep the state that it led to."""
        self._run = run
        self.run_metrics.apply(run, recorded)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that a scraper accepts, and the content type of that format."""
        encode, content_type = choose_encoder(accept)
        return encode(self._registry), content_type

    def families(self) -> Iterator[Metric]:
        """Yield every family with its current values."""
        yield InfoMetricFamily("smithers_run", "The run that is served.", value=self._info)
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(name, meaning, value=self.run_metrics.counts[name])
        for name, meaning in DURATIONS.items():
            histogram = self.run_metrics.durations[name]
            yield HistogramMetricFamily(name, meaning, buckets=histogram.buckets(), sum_value=histogram.sum)
        yield from _state_families(self._run)
        yield from self.traffic.families()
        yield GaugeMetricFamily("smithers_streams_active", "Open event streams.", value=self._open_streams())
        yield from self._process_families()

    def _process_families(self) -> Iterator[Metric]:
        uptime_s = time.monotonic() - self._created_at_s
        yield GaugeMetricFamily("smithers_process_uptime_seconds", "Age of this app.", value=uptime_s)
        rss = _resident_bytes()
        if rss is not None:
            yield GaugeMetricFamily("smithers_process_memory_rss_bytes", "Resident memory.", value=rss)


class _Families(Collector):
    """A collector for the registry that makes the families anew at each scrape."""

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families()


def _state_families(run: RunState) -> Iterator[Metric]:
    is_active = run.last_seq >= 0 and not run.status.is_final
    yield GaugeMetricFamily("smithers_runs_active", "Runs that have not ended.", value=int(is_active))
    yield GaugeMetricFamily(
        "smithers_nodes_active", "Attempts that are running.", value=run.count(NodeState.IN_PROGRESS)
    )
    yield GaugeMetricFamily(
        "smithers_approval_pending", "Approvals that wait for a person.", value=run.count(NodeState.WAITING_APPROVAL)
    )
    nodes = GaugeMetricFamily("smithers_nodes", "Nodes by state.", labels=("state",))
    for state in NodeState:
        nodes.add_metric((state.value,), run.count(state))
    yield nodes


def _resident_bytes() -> int | None:
    """Return the resident memory of this process in bytes; None where the system does not report it."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
