"""README's Python files run as printed, each by itself beside `bugfix.py`; its shell lines name what there is."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.docs.documents import ROOT, blocks
from tests.ports import free_port

BUGFIX, REVIEW, TEST, EMBEDDING = blocks("python")
DEADLINE_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".smithers").mkdir(mode=0o700)
    (tmp_path / "bugfix.py").write_text(BUGFIX)
    return tmp_path


def begin(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    return said


def test_the_review_runs(folder: Path) -> None:
    (folder / "review.py").write_text(REVIEW)
    said = finish(begin(folder, "-m", "smithersd", "up", "review.py"))
    assert "lint reader.py finished" in said
    assert "lint writer.py finished" in said


def test_the_test_passes(folder: Path) -> None:
    (folder / "test_bugfix.py").write_text(TEST)
    options = ("-p", "no:cacheprovider", "-p", "no:randomly", "-o", "asyncio_mode=auto")
    assert "1 passed" in finish(begin(folder, "-m", "pytest", *options, "test_bugfix.py"))


def test_the_program_that_mounts_a_run_serves_it_to_its_end(folder: Path) -> None:
    port = free_port()
    (folder / "mounted.py").write_text(EMBEDDING.replace("3000", str(port)))
    process = begin(folder, "mounted.py")
    approve = f"http://127.0.0.1:{port}/bugfix/approve/deploy"
    until_s = time.monotonic() + DEADLINE_S
    while not is_done(approve):
        assert time.monotonic() < until_s, "the gate did not open"
        time.sleep(0.1)
    assert "finished" in finish(process)


def is_done(url: str) -> bool:
    """Whether the gate was there to be approved."""
    try:
        return httpx.post(url, headers={"Authorization": "Bearer sk-secret"}).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def test_every_script_in_the_documents_exists() -> None:
    for line in "\n".join(blocks("console")).splitlines():
        words = line.removeprefix("$ ").split()
        if line.startswith("$ ./scripts/"):
            assert (ROOT / words[0]).is_file(), line
        for word in words:
            if word.startswith("examples/"):
                assert (ROOT / word).is_file(), line
