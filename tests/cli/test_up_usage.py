"""What `up` refuses, before it makes anything."""

from pathlib import Path

import pytest

from smithersd.cli import main

FLOW = """
from smithersd import Context, Task, workflow

@workflow
def hello(ctx: Context[str]):
    return Task("greet", "Hello, {}!".format, ctx.input)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SMITHERS_API_KEY", "SMITHERS_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text(FLOW)
    return tmp_path


def up(*flags: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["up", "flow.py", *(() if "--input" in flags else ("--input", '"you"')), *flags])
    assert isinstance(end.value.code, int)
    return end.value.code


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--resume",), "There is no"),
        (("--from", "nope"), "There is no"),
        (("--run-id", "a/b"), "cannot be a run id"),
        (("--resume", "--from", "x"), "cannot be given together"),
        (("--resume-or-start",), "--run-id"),
        (("--force",), "--resume"),
        (("--redo", "one"), "--from"),
        (("--port", "0"), "--serve"),
        (("--serve", "--auth-token", ""), "token is empty"),
        (("--serve", "--port", "65536"), "--port"),
        (("--input", "{"), "not valid JSON"),
        (("--input", "@nope"), "cannot be read"),
        (("--input", "7"), "input of workflow"),
        (("--input", "7", "-i", "a=1"), "the input 7 is not a JSON object"),
        (("-i", "a"), "-i 'a' is not KEY=VALUE"),
        (("-i", "=1"), "-i '=1' is not KEY=VALUE"),
        (("-i", '{"a": 1}'), "A whole input is given with --input"),
        (("--input", "{}", "-i", "a=1", "-i", "a=2"), "sets the key 'a' more than once"),
        (("--input", "{}", "-i", "a=\udcff"), "is not UTF-8"),
        (("--input", "{}", "-i", "a=" + "[" * 200 + "]" * 200), "The value of -i a cannot be an input"),
        (("--max-concurrency", "0"), "--max-concurrency"),
        (("--nonsense",), "--nonsense"),
        (("--pid-file", "\udcff"), "--pid-file is not UTF-8"),
        (("--log-file", "\udcff"), "--log-file is not UTF-8"),
        (("--on-wait", "\udcff"), "--on-wait is not UTF-8"),
        (("--store", "sqlite:///\udcff.db"), "--store is not UTF-8"),
        (("--from", "\udcff"), "--from is not UTF-8"),
    ],
)
def test_a_usage_error_exits_with_4_says_what_is_wrong_and_makes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...], told: str
) -> None:
    assert up(*flags) == 4
    said = capsys.readouterr()
    assert told in said.err
    assert "Traceback" not in said.err
    assert not said.out
    assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["flow.py"]


def test_an_empty_token_in_the_environment_is_refused_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SMITHERS_API_KEY", "")
    assert up("--serve") == 4
    assert "token is empty" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [(), ("-d",)])
def test_a_folder_whose_name_is_not_utf_8_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: tuple[str, ...]
) -> None:
    odd = folder / "caf\udce9"
    odd.mkdir()
    (odd / "flow.py").write_text(FLOW)
    monkeypatch.chdir(odd)
    assert up(*flags) == 4
    message, remedy = capsys.readouterr().err.splitlines()
    assert "caf\\udce9" in message
    assert "is not UTF-8" in message
    assert "PYTHONUTF8" in remedy
    assert [path.name for path in odd.iterdir()] == ["flow.py"]


def test_what_an_author_raises_is_one_line_unless_debugging(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "flow.py").write_text("raise RuntimeError('first\\n\\n  second \\x1b[31m\\n' + 'x' * 100_000)")
    assert up() == 4
    message, remedy = capsys.readouterr().err.splitlines()
    assert "flow.py could not be imported: RuntimeError: first second" in message
    assert "\x1b" not in message
    assert len(message) < 10_000
    assert remedy.startswith("  ")
    with pytest.raises(SystemExit):
        main(["--debug", "up", "flow.py"])
    assert "x" * 100_000 in capsys.readouterr().err


def test_a_host_that_is_none_begins_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert up("--serve", "--host", "no.such.host.invalid", "--run-id", "r") == 4
    assert "The host 'no.such.host.invalid' cannot be found" in capsys.readouterr().err
    assert up("--resume", "--run-id", "r") == 4
    assert "There is no run" in capsys.readouterr().err
