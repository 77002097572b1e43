"""The examples do what they say: real artifacts, and only what was approved is published."""

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from smithersd.testing import run_to_end
from tests.support.waiting import DEADLINE_S

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def example() -> ModuleType:
    return load("release")


@pytest.fixture
def order(tmp_path: Path) -> dict[str, Any]:
    shutil.copytree(EXAMPLES / "almanac", tmp_path / "almanac", ignore=shutil.ignore_patterns("dist"))
    return {"package": str(tmp_path / "almanac"), "target": str(tmp_path / "published")}


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


async def test_an_approved_release_publishes_the_wheel_and_the_sdist(
    example: ModuleType, order: dict[str, Any], tmp_path: Path
) -> None:
    result = await run_to_end(example.release, order)
    assert (result.status, result.error) == ("finished", None)
    names = {"almanac-1.2.0-py3-none-any.whl", "almanac-1.2.0.tar.gz"}
    assert set(result.outputs["upload"]["published"]) == names
    assert {path.name for path in (tmp_path / "published").iterdir()} == names


async def test_what_is_published_has_the_hashes_that_were_approved(example: ModuleType, order: dict[str, Any]) -> None:
    result = await run_to_end(example.release, order)
    folder = Path(order["target"])
    for artifact in result.outputs["manifest"]["artifacts"]:
        assert example.digest(folder / Path(artifact["path"]).name) == artifact["sha256"]


async def test_a_denied_release_publishes_nothing(example: ModuleType, order: dict[str, Any], tmp_path: Path) -> None:
    result = await run_to_end(example.release, order, decisions={"publish": False})
    assert result.status == "failed"
    assert result.error is not None
    assert result.error.code == "APPROVAL_DENIED"
    assert not (tmp_path / "published").exists()


async def test_the_same_release_again_leaves_what_is_published_as_it_is(
    example: ModuleType, order: dict[str, Any], tmp_path: Path
) -> None:
    await run_to_end(example.release, order)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "published").iterdir()}
    result = await run_to_end(example.release, order)
    assert result.status == "finished"
    assert result.outputs["upload"]["published"] == []
    assert len(result.outputs["upload"]["unchanged"]) == 2
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "published").iterdir()} == before


async def test_other_contents_under_a_published_version_are_refused(
    example: ModuleType, order: dict[str, Any], tmp_path: Path
) -> None:
    await run_to_end(example.release, order)
    module = tmp_path / "almanac" / "src" / "almanac" / "__init__.py"
    module.write_text(module.read_text() + "\n# changed\n")
    result = await run_to_end(example.release, order)
    assert result.status == "failed"
    assert result.error is not None
    assert "is published already" in result.error.message


async def test_a_package_whose_tests_fail_is_not_built(
    example: ModuleType, order: dict[str, Any], tmp_path: Path
) -> None:
    module = tmp_path / "almanac" / "src" / "almanac" / "__init__.py"
    module.write_text(module.read_text().replace("year % 4 == 0", "year % 4 == 1"))
    result = await run_to_end(example.release, order)
    assert result.status == "failed"
    assert not (tmp_path / "almanac" / "dist").exists()


async def test_hello_greets_whom_it_is_given() -> None:
    hello = load("hello").hello
    assert (await run_to_end(hello)).outputs["greet"] == "Hello, world!"
    assert (await run_to_end(hello, "Ada")).outputs["greet"] == "Hello, Ada!"


def test_the_command_serves_the_release_and_publishes_it_once_approved(order: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / ".smithers").mkdir(mode=0o700)  # else one that somebody left further up would be found
    command = [sys.executable, "-m", "smithersd", "up", str(EXAMPLES / "release.py"), "--serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--input", json.dumps(order)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        said = read_until(process, "smithers approve")
        url = next(word for word in said.split() if word.startswith("http://"))
        (approval,) = httpx.get(f"{url}/approvals").json()
        assert [one["version"] for one in approval["shown"]["artifacts"]] == ["1.2.0", "1.2.0"]
        assert httpx.post(f"{url}/approve/publish", json={"decidedBy": "alice"}).status_code == 200
        read_until(process, "Run finished")
        assert httpx.get(url).json()["status"] == "finished"
        assert len(list((tmp_path / "published").iterdir())) == 2
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0


def read_until(process: subprocess.Popen[str], text: str) -> str:
    assert process.stdout is not None
    said = ""
    for line in process.stdout:
        said += line
        if text in line:
            return said
    raise AssertionError(f"{text!r} never came: {said}")
