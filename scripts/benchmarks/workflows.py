"""The workflows that are measured: steps that do nothing, so that all the time is ours."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from smithersd import Parallel, Sequence, Task, Workflow, open_store, run_workflow

ROOT = Path(__file__).resolve().parents[2]
RUN_ID = "measured"


async def trivial() -> int:
    """A step that does nothing."""
    return 1


def one_after_another(count: int) -> Workflow[Any]:
    """As many steps, each after the one before."""
    return Workflow(lambda _: Sequence(*(Task(f"n{i}", trivial) for i in range(count))), name="sequential")


def at_once(count: int, width: int) -> Workflow[Any]:
    """As many steps, so many at once."""
    return Workflow(
        lambda _: Parallel(*(Task(f"n{i}", trivial) for i in range(count))), name="parallel", max_concurrency=width
    )


@contextmanager
def folder() -> Iterator[Path]:
    """A folder on the project's own disk: /tmp may lie in memory, where a durable write costs nothing."""
    with TemporaryDirectory(prefix=".bench-", dir=ROOT) as path:
        yield Path(path)


async def run_s(workflow: Workflow[Any], place: Path | str) -> float:
    """Run a workflow to its end on a new store; return how long that took."""
    async with open_store(place) as store:
        begun = perf_counter()
        result = await run_workflow(workflow, store=store, run_id=RUN_ID)
        taken = perf_counter() - begun
    assert result.status == "finished", result.error
    return taken
