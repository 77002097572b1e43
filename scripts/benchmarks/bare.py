"""The limit: a bare loop that writes the rows of a finished run again, as durably, and does nothing else.

No event loop, no thread, no JSON, no validation: what this takes nobody can undercut who writes the same rows.
"""

import sqlite3
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.workflows import RUN_ID

_EVENT = "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_OUTPUT = "INSERT INTO outputs (run_id, node_id, iteration, output, created_at_ms) VALUES (?, ?, ?, ?, ?)"
_ADVANCE = "UPDATE runs SET status = ?, last_seq = ?, lease_expires_at_ms = ? WHERE run_id = ? AND fence = 1"
FIRST = ("runs", "inputs", "frames")
"""The tables that a run's first transaction fills, whatever the run does."""

Rows = list[tuple[Any, ...]]


@dataclass(slots=True)
class Step:
    """The rows of one transaction."""

    events: Rows = field(default_factory=list)
    outputs: Rows = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Recording:
    """A finished run as the transactions that wrote it."""

    first: dict[str, Rows]
    steps: list[Step]


def recording_of(path: Path, *, ends_per_commit: int) -> Recording:
    """Read a run back; each transaction ends that many nodes and starts those that follow."""
    connection = sqlite3.connect(path)
    first = {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in FIRST}  # noqa: S608
    outputs = connection.execute("SELECT * FROM outputs").fetchall()
    events = connection.execute("SELECT * FROM events ORDER BY seq").fetchall()
    connection.close()
    return Recording(first, steps_of(events, outputs, ends_per_commit=ends_per_commit))


def steps_of(events: Rows, outputs: Rows, *, ends_per_commit: int) -> list[Step]:
    """Sort a run's rows into transactions, each of which ends that many nodes."""
    output_of = {row[1]: row for row in outputs}
    steps, ends = [Step()], 0
    for event in events:
        kind, node_id = event[3:5]
        if kind == "NodeFinished":
            if ends % ends_per_commit == 0:
                steps.append(Step())
            steps[-1].outputs.append(output_of[node_id])
            ends += 1
        steps[-1].events.append(event)
    return steps


def write_s(path: Path, recording: Recording) -> float:
    """Write the transactions into an empty store; return how long that took."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    status = recording.first["runs"][0][4]

    begun = perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    for table, rows in recording.first.items():
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
    connection.execute("COMMIT")
    for step in recording.steps:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(_ADVANCE, (status, step.events[-1][1], None, RUN_ID))
        connection.executemany(_EVENT, step.events)
        connection.executemany(_OUTPUT, step.outputs)
        connection.execute("COMMIT")
    taken = perf_counter() - begun
    connection.close()
    return taken
