"""What `pip install .` gives."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.docs.documents import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def files_under(folder: str, *, packed_as: str) -> set[str]:
    found = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return {f"{packed_as}/{path.relative_to(ROOT / folder)}" for path in found}


def test_the_wheel_holds_the_package_and_the_units_and_nothing_else(wheel: Path) -> None:
    files = files_under("smithersd", packed_as="smithersd") | files_under("systemd", packed_as="smithersd/units")
    assert {"smithersd/py.typed", "smithersd/store/sql/statements.sql"} <= files
    assert any(name.endswith(".sql") and "/migrations/" in name for name in files)
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert packed == files


@pytest.mark.parametrize("way", [["bin/smithers"], ["-m", "smithersd"]], ids=["smithers", "python -m smithersd"])
def test_the_installed_command_runs(wheel: Path, tmp_path: Path, way: list[str]) -> None:
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(tmp_path), str(wheel)]
    subprocess.run([sys.executable, *install], check=True, capture_output=True)
    told = subprocess.run(
        [sys.executable, *way, "--version"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert told.stdout.startswith("smithers ")
