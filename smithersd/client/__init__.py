"""Doing something with a run from outside: one port, whatever stands behind it, and the runs of a store."""

from smithersd.client.run import RequestStage, Run
from smithersd.client.stored_run import StoredRun
from smithersd.client.stored_runs import StoredRuns

__all__ = ["RequestStage", "Run", "StoredRun", "StoredRuns"]
