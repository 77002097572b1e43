"""What --input and -i come to."""

import json
from pathlib import Path
from typing import Any

import pytest

from smithersd.cli import main
from smithersd.cli.args.inputs import read_input

FLOW = """
from pydantic import BaseModel

from smithersd import Context, Task, workflow

class Release(BaseModel):
    version: str
    regions: list[str] = ["eu"]

@workflow
def release(ctx: Context[Release]):
    return Task("told", "{} to {}".format, ctx.input.version, ctx.input.regions)
"""


@pytest.mark.parametrize(
    ("given", "keys", "expected"),
    [
        (None, ["a=1"], {"a": 1}),
        (
            None,
            ["a=x y", "b=true", "c=null", 'd="1.4"', "e=[1, {}]"],
            {"a": "x y", "b": True, "c": None, "d": "1.4", "e": [1, {}]},
        ),
        (None, ["a=b=c", "d="], {"a": "b=c", "d": ""}),
        (None, ["a={1", "b=NaN", "ü=ö"], {"a": "{1", "b": "NaN", "ü": "ö"}),
        ('{"a": 1, "b": {"c": 2}}', ["b=3", "d=4"], {"a": 1, "b": 3, "d": 4}),
    ],
    ids=["one", "JSON or text", "equals signs", "what is no JSON", "merged"],
)
def test_keys_are_set_in_the_input(given: str | None, keys: list[str], expected: dict[str, Any]) -> None:
    text = read_input(given, keys)
    assert text is not None
    assert json.loads(text) == expected


def test_keys_are_set_in_the_input_of_a_file_and_the_input_is_none_without_any(tmp_path: Path) -> None:
    (tmp_path / "input.json").write_text('{"version": "1.4", "regions": []}')
    text = read_input(f"@{tmp_path}/input.json", ["version=2"])
    assert text is not None
    assert json.loads(text) == {"version": 2, "regions": []}
    assert read_input(None) is None


def test_graph_takes_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text(FLOW)
    with pytest.raises(SystemExit, match="0"):
        main(["graph", "flow.py", "-i", "version=next"])
    assert "told" in capfd.readouterr().out


def test_an_unknown_key_is_told_with_what_was_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text(FLOW)
    with pytest.raises(SystemExit, match="4"):
        main(["up", "flow.py", "-i", "verson=next"])
    assert "Did you mean 'version'?" in capfd.readouterr().err
