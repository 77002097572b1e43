"""The guide for two hosts shows what really happens: here two folders on one machine, and one store."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.documents import document
from tests.docs.tour import masked
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, until

GUIDE = document("docs/how-to/two-hosts.md")
BLOCKS = GUIDE.blocks("console")
RELEASE = """
from smithersd import Approval, Sequence, Task, workflow

@workflow
def release(ctx):
    built = Task("build", lambda: "build-7")
    return Sequence(built, Approval("ship-it", title="Ship it?"), Task("ship", print, built))
"""
PLACES = (
    (re.compile(r"process \d+ on \S+"), "process PID on HOST"),
    (re.compile(r"^( +pid +)\d+$", re.MULTILINE), r"\1PID"),
    (re.compile(r"(?<=The run is )\w+"), "SO"),  # it goes on meanwhile
    (re.compile(r"\b(as|by) [\w-]+(?=[.:])"), r"\1 SOMEBODY"),
)


@pytest.fixture
def hosts(tmp_path: Path) -> dict[str, Path]:
    folders = {"alpha": tmp_path / "alpha", "beta": tmp_path / "beta"}
    for folder in folders.values():
        (folder / ".smithers").mkdir(parents=True, mode=0o700)
        (folder / "release.py").write_text(RELEASE)
    return folders


@pytest.mark.timeout(300)  # seven commands one after another, on a machine that may be busy
def test_another_host_takes_over_as_shown(hosts: dict[str, Path]) -> None:
    store = hosts["alpha"].parent / "shared.db"
    alpha, beta = (free_port(), free_port())

    def type_in(host: str, command: str) -> str:
        words = shlex.split(command.replace("--port 7332", f"--port {beta}"))
        if words[1] == "up" and "--port" not in words:
            words += ["--port", str(alpha)]
        line = [sys.executable, "-m", "smithersd", *words[1:], "--store", f"sqlite:///{store}"]
        ended = subprocess.run(line, cwd=hosts[host], check=True, capture_output=True, text=True, timeout=DEADLINE_S)
        return ended.stdout

    shown = [
        step for block in BLOCKS for step in re.findall(r"^(\w+)\$ (.*)\n((?:(?!\w+\$ ).*\n)*)", block, re.MULTILINE)
    ]
    assert [command.split()[1] for _, command, _ in shown] == ["up", "up", "inspect", "approve", "events"]
    try:
        for host, command, answer in shown[:2]:
            assert neutral(answer) in neutral(type_in(host, command))
        (killed,) = re.findall(r"`kill -9 (\d+)`", GUIDE.text)
        assert f"pid       {killed}\n" in shown[0][2]
        subprocess.run(["bash", "-c", "kill -9 $(cat .smithers/runs/release-7/pid)"], cwd=hosts["alpha"], check=True)
        log = hosts["beta"] / ".smithers" / "runs" / "release-7" / "log"
        until(lambda: "ship-it still asks" in log.read_text(), "the takeover")
        for host, command, answer in shown[2:]:
            assert_shown_in_order(neutral(answer), neutral(type_in(host, command)))
    finally:
        type_in("beta", "smithers down release-7 --force --timeout 5")


def neutral(text: str) -> str:
    text = masked(text)
    for pattern, name in PLACES:
        text = pattern.sub(name, text)
    return re.sub(r" +", " ", text).strip()


def assert_shown_in_order(shown: str, real: str) -> None:
    """A guide may leave lines out, and shows none that does not come."""
    lines = iter(real.splitlines())
    for line in shown.splitlines():
        assert line in lines, f"{line!r} is not, or not there, in\n{real}"
