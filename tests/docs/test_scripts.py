"""The scripts do what README says, from a fresh copy and from any folder."""

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.docs.documents import ROOT

SCRIPTS = [
    "scripts/up",
    "scripts/test",
    "scripts/check",
    "scripts/coverage",
    "scripts/docs",
    "scripts/bench",
    ".ci/run",
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as a fresh clone has it, in a folder whose name has a blank."""
    folder = tmp_path / "a copy"
    left_out = shutil.ignore_patterns(
        ".venv*", ".git", ".smithers", "__pycache__", ".*_cache", ".hypothesis", "dist", "build"
    )
    shutil.copytree(ROOT, folder, ignore=left_out)
    return folder


def run(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, command)), cwd=cwd, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("script", SCRIPTS)
def test_every_script_can_be_run_and_is_sound_bash(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    assert run("bash", "-n", ROOT / script, cwd=ROOT).returncode == 0


def test_a_machine_without_python_is_told_what_it_needs(copy: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "cat", "cmp", "dirname", "env", "flock", "grep"):
        found = shutil.which(name)
        if found is not None:
            (tools / name).symlink_to(found)
    told = run(copy / "scripts" / "up", cwd=tmp_path, PATH=str(tools), PYENV_ROOT=str(tmp_path))
    assert told.returncode == 1
    assert "There is no Python 3.11 or newer" in told.stderr
    told = run(copy / "scripts" / "test", "--python", "3.13", cwd=tmp_path, PATH=str(tools), PYENV_ROOT=str(tmp_path))
    assert told.returncode == 1
    assert "There is no Python 3.13" in told.stderr


def test_a_version_that_is_none_is_refused(copy: Path) -> None:
    told = run(copy / "scripts" / "test", "--python", "pypy", cwd=copy)
    assert told.returncode == 1
    assert "'pypy' is not a version of Python." in told.stderr


def test_the_lowest_versions_are_those_that_the_project_names(copy: Path) -> None:
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    named = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    floors = {one.replace(">=", "==") for one in named if isinstance(one, str)}
    found = run("bash", "-c", "source scripts/environment; lowest_versions", cwd=copy).stdout.split()
    assert floors <= set(found)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_first_run_makes_the_environment_and_the_second_finds_it(copy: Path, tmp_path: Path) -> None:
    (tmp_path / ".smithers").mkdir(mode=0o700)
    up = (copy / "scripts" / "up", copy / "examples" / "hello.py")
    first = run(*up, cwd=tmp_path)
    assert (first.returncode, "Hello, world!" in first.stdout) == (0, True), first.stderr
    assert "Making its environment" in first.stderr
    assert "smithersd: " not in run(*up, cwd=tmp_path).stderr
    (copy / "pyproject.toml").write_text((copy / "pyproject.toml").read_text() + "\n")
    assert "Installing" in run(*up, cwd=tmp_path).stderr
