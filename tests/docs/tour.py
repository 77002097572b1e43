"""README's tour, played by real processes over real HTTP: what a reader who follows it sees."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.docs.documents import blocks
from tests.ports import free_port

_TOKEN = {"Authorization": "Bearer sk-secret"}

_MASKS = (
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d{13}\b"), "MS"),
    (re.compile(r"bugfix-\d{8}-\d{6}-[a-z]{4}"), "RUN-ID"),
    (re.compile(r"\b[0-9.]+m?s\b"), "DURATION"),
    (re.compile(r"^id: \d+$", re.MULTILINE), "id: SEQ"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
)


def masked(text: str) -> str:
    """The text without what differs from one run to the next."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def play(folder: Path) -> dict[str, str]:
    """Follow the tour in a folder of its own; return what its commands and requests answer, by name."""
    (folder / ".smithers").mkdir(mode=0o700)  # else one that somebody left further up would be found
    (folder / "bugfix.py").write_text(blocks("python")[0])
    return {**_crash_and_resume(folder), **_fail_and_mend(folder), **_serve_to_others(folder)}


def _crash_and_resume(folder: Path) -> dict[str, str]:
    port = free_port()
    seen: dict[str, str] = {}
    with _up(folder, "--serve", "--port", str(port), "--run-id", "bug-1") as lines:
        seen["RUN"] = lines.until("fix 1/3")
        lines.process.kill()
    with _up(folder, "--serve", "--port", str(port), "--run-id", "bug-1", "--resume") as lines:
        seen["RESUME"] = lines.until("smithers approve")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            seen["STATUS"] = client.get("/").text
            seen["EVENTS"] = _events(client, "types=NodeFinished,ApprovalRequested", count=3)
            seen["APPROVALS"] = client.get("/approvals").text
            seen["APPROVE"] = client.post("/approve/deploy", json={"note": "Ship it", "decidedBy": "alice"}).text
            seen["APPROVED"] = lines.until("Ctrl+C")
            seen["DENY"] = client.post("/deny/deploy", json={"decidedBy": "bob"}).text
    return seen


def _fail_and_mend(folder: Path) -> dict[str, str]:
    file = folder / "bugfix.py"
    sound = file.read_text()
    file.write_text(sound.replace('print("shipped:", patch)', 'print("shipped:", pach)'))
    with _up(folder, "--run-id", "bug-2") as lines:
        asked = lines.until("smithers approve")
        approve = [sys.executable, "-m", "smithersd", "approve", "bug-2", "--by", "alice"]
        subprocess.run(approve, cwd=folder, check=True, capture_output=True)
        failed = asked + lines.rest()
    file.write_text(sound)
    with _up(folder, "--from", "bug-2") as lines:
        return {"FAILED": failed, "FROM": lines.rest()}


def _serve_to_others(folder: Path) -> dict[str, str]:
    port = free_port()
    with _up(folder, "--serve", "--port", str(port), "--auth-token", "sk-secret") as lines:
        lines.until("smithers approve")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=_TOKEN) as client:
            return {
                "T_STATUS": client.get("/").text,
                "T_EVENTS": _events(client, "", count=2),
                "T_APPROVE": client.post("/approve/deploy", json={"note": "Ship it", "decidedBy": "alice"}).text,
                "T_HEALTH": httpx.get(f"http://127.0.0.1:{port}/health").text,
            }


class Lines:
    """What a process says, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""

    def until(self, text: str) -> str:
        """Read on as far as a line with this text; return what came since the last reading."""
        return self._read(text)

    def rest(self) -> str:
        """Read on to the end."""
        return self._read(None)

    def _read(self, text: str | None) -> str:
        assert self.process.stdout is not None
        read = ""
        for line in self.process.stdout:
            read += line
            if text is not None and text in line:
                break
        else:
            assert text is None, f"{text!r} never came: {self.said}{read}"
        self.said += read
        return read


@contextmanager
def _up(folder: Path, *flags: str) -> Iterator[Lines]:
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "smithersd", "up", "bugfix.py", *flags]
    process = subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield Lines(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def _events(client: httpx.Client, query: str, *, count: int) -> str:
    """The beginning of a stream, as curl -N shows it."""
    text = ""
    with client.stream("GET", f"/events?{query}") as stream:
        for part in stream.iter_text():
            text += part
            ends = [match.end() for match in re.finditer(r"^id: .*\n\n", text, re.MULTILINE)]
            if len(ends) >= count:
                return text[: ends[count - 1]]
    raise AssertionError(f"the stream ended early: {text}")
