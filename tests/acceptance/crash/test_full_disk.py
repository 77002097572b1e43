"""A disk that is full pauses a run, and the run goes on by itself when there is room again."""

import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.place import Place

FLOW = """
async def tick(n):
    Path("begun").write_text(str(n))
    await asyncio.sleep(0.02)
    return "x" * 20_000

@workflow
def ticking(ctx):
    return Sequence(*(Task(f"tick-{n}", tick, n) for n in range(100)))
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 12 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=12m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_pauses_the_run_until_there_is_room(place: Place, small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(11_700_000))
    _prove_pause(place, f"sqlite:///{small_disk}/runs.db", lambda _: None, lambda _: ballast.unlink())


@pytest.mark.slow
def test_a_file_that_may_not_grow_pauses_the_run_until_it_may(place: Place) -> None:
    _prove_pause(
        place,
        "sqlite:///runs.db",
        lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY)),
        lambda pid: resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)),
    )


def _prove_pause(place: Place, store: str, fill: Callable[[int], object], clear: Callable[[int], object]) -> None:
    place.write(FLOW)
    up = place.up("--run-id", "r", "--store", store, "--serve", "--port", "0")
    up.until_text("started")
    fill(up.popen.pid)
    up.until_text("the store is not available")
    assert up.request("/health")[0] == 200
    assert up.request("/ready")[0] == 503
    begun = (place.folder / "begun").read_text()
    clear(up.popen.pid)
    up.until_text("is available again")
    up.until_text("Run finished")
    assert int(begun) < 99
    assert up.request("/ready")[0] == 200
    assert up.request("/")[1]["summary"] == {"finished": 100}
    assert up.text.count("the store is not available") == 1
