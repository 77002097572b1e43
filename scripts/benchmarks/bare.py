"""The limit: a bare loop that writes the rows of a finished run again, as durably, and does nothing else.

No event loop, no thread, no JSON, no validation: what this takes nobody can undercut who writes the same rows.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.workflows import RUN_ID

_EVENT = "INSERT INTO events (run_id, seq, timestamp_ms, type, node_id, payload) VALUES (?, ?, ?, ?, ?, ?)"
_OUTPUT = "INSERT INTO outputs (run_id, node_id, iteration, output, created_at_ms) VALUES (?, ?, ?, ?, ?)"
_ADVANCE = "UPDATE runs SET status = ?, last_seq = ?, lease_expires_at_ms = ? WHERE run_id = ? AND fence = 1"
_TABLES = ("events", "outputs", "frames", "inputs", "runs")


@dataclass(slots=True)
class Step:
    """The rows of one transaction."""

    events: list[tuple[Any, ...]] = field(default_factory=list)
    outputs: list[tuple[Any, ...]] = field(default_factory=list)


def recorded_steps(path: Path, *, ends_per_commit: int) -> list[Step]:
    """Read a finished run back as transactions: each ends that many nodes and starts those that follow."""
    connection = sqlite3.connect(path)
    outputs = {row[1]: row for row in connection.execute("SELECT * FROM outputs")}
    steps, ends = [Step()], 0
    for event in connection.execute("SELECT * FROM events ORDER BY seq"):
        _, _, _, kind, node_id, _ = event
        if kind == "NodeFinished":
            if ends % ends_per_commit == 0:
                steps.append(Step())
            steps[-1].outputs.append(outputs[node_id])
            ends += 1
        steps[-1].events.append(event)
    connection.close()
    return steps


def rewrite_s(path: Path, steps: Sequence[Step]) -> float:
    """Write the transactions again into the emptied tables of the same store; return how long that took."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    kept = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("frames", "inputs", "runs")}  # noqa: S608
    for table in _TABLES:
        connection.execute(f"DELETE FROM {table}")  # noqa: S608
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    begun = perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    for table in ("runs", "inputs", "frames"):
        marks = ", ".join("?" * len(kept[table][0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", kept[table])  # noqa: S608
    connection.execute("COMMIT")
    for step in steps:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_ADVANCE, (kept["runs"][0][4], step.events[-1][1], None, RUN_ID))
        connection.executemany(_EVENT, step.events)
        connection.executemany(_OUTPUT, step.outputs)
        connection.execute("COMMIT")
    taken = perf_counter() - begun
    connection.close()
    return taken
