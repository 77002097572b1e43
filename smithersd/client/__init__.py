"""Read, decide and cancel runs from outside: one protocol for a run, and its implementation for runs of a store."""

from smithersd.client.run import RequestStage, Run
from smithersd.client.stored_run import StoredRun
from smithersd.client.stored_runs import StoredRuns

__all__ = ["RequestStage", "Run", "StoredRun", "StoredRuns"]
