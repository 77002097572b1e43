"""The daemon from a prompt: how soon `up -d` gives it back, and how soon `down` does."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from time import perf_counter
from typing import Any

import psutil

from benchmarks.figures import Figure, at_most
from benchmarks.process import started
from benchmarks.workflows import folder

_APPROVAL = """
from smithersd import Approval, workflow

@workflow
def waiting(ctx):
    return Approval("approval", title="Go?")
"""


async def measure(*, is_quick: bool) -> AsyncIterator[Figure]:
    """`up --serve -d` until the prompt, `down` and `down --suspend` until the prompt, with the process gone by then."""
    starts, detachments, stops, suspensions = [], [], [], []
    with folder() as path:
        workflow = path / "waiting.py"
        workflow.write_text(_APPROVAL)
        (path / ".smithers").mkdir()
        for _ in range(2 if is_quick else 7):
            async with started(workflow, path) as (_, _, foreground_s):
                pass
            start_s, daemon = await _timed(path, "up", str(workflow), "--serve", "--port", "0", "-d", "--json")
            suspension_s, _ = await _stopped(path, daemon, "--suspend")
            _, daemon = await _timed(path, "up", str(workflow), "--resume", "--run-id", daemon["runId"], "-d", "--json")
            stop_s, _ = await _stopped(path, daemon)
            starts.append(start_s)
            detachments.append(start_s - foreground_s)
            suspensions.append(suspension_s)
            stops.append(stop_s)
    yield Figure("up --serve -d to the prompt", starts, "s", at_most(1))
    yield Figure("what -d adds to that", detachments, "s")
    yield Figure("down to the prompt", stops, "s", at_most(1))
    yield Figure("down --suspend to the prompt", suspensions, "s", at_most(1))


async def _stopped(folder: Path, daemon: dict[str, Any], *flags: str) -> tuple[float, Any]:
    timed = await _timed(folder, "down", daemon["runId"], *flags)
    if psutil.pid_exists(daemon["pid"]) and psutil.Process(daemon["pid"]).status() != psutil.STATUS_ZOMBIE:
        raise RuntimeError("smithers down came back before the process had ended")
    return timed


async def _timed(folder: Path, *arguments: str) -> tuple[float, Any]:
    """Run a command; return the seconds that it took, and the JSON that it printed."""
    begun = perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "smithersd", *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"smithers {arguments[0]} ended with {process.returncode}")
    return perf_counter() - begun, json.loads(said) if b"{" in said[:1] else None
