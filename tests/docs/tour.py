"""The tours of README and the tutorial, played by real processes over real HTTP: what a reader sees."""

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.docs.documents import README, TUTORIAL, Document
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
_TOKEN = {"Authorization": "Bearer sk-secret"}

_MASKS = (
    (re.compile(r"\b\d\d:\d\d:\d\d\b"), "TIME"),
    (re.compile(r"\b\d{13}\b"), "MS"),
    (re.compile(r"bugfix-\d{8}-\d{6}-[a-z]{4}"), "RUN-ID"),
    (re.compile(r"\b(?:\d+m)?[0-9.]+m?s\b *"), "DURATION "),  # columns are as wide as the longest
    (re.compile(r"^id: \d+$", re.MULTILINE), "id: SEQ"),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
)


def masked(text: str) -> str:
    """The text without what differs from one run to the next."""
    for pattern, name in _MASKS:
        text = pattern.sub(name, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def prepare(folder: Path) -> None:
    """Make the folder of somebody who begins a tour."""
    (folder / ".smithers").mkdir(mode=0o700)  # else one that somebody left further up would be found
    (folder / "deploy.py").write_text(README.file("deploy.py"))
    (folder / "bugfix.py").write_text(TUTORIAL.file("bugfix.py"))


def deploy(folder: Path) -> dict[str, str]:
    """README's tour: draw a run on a terminal, kill it, go on in the background, approve it."""
    port = free_port()
    seen: dict[str, str] = {}
    (picture,) = README.blocks("text")
    begin = picture.splitlines()[0].removeprefix("$ ")
    drawn = f"script --quiet --return --command {shlex.quote(f'{begin} --port {port}')} /dev/null"
    with _up(folder, drawn) as lines:
        seen |= _drawn(lines.until("Output of build") + lines.until(" 1 waiting-approval"))
        _run(folder, _typed("kill -9", README)[0])
        lines.process.wait(timeout=DEADLINE_S)
    (resume,) = _typed("smithers up deploy.py", README)
    _run(folder, f"{resume} --port {port}")
    approval = httpx.post(f"http://127.0.0.1:{port}/approve/go", json={"decidedBy": "alice"})
    seen["APPROVED"] = approval.text
    (events,) = _typed("smithers events", README)
    seen["EVENTS"] = _run(folder, events)
    (down,) = _typed("smithers down", README)
    _run(folder, down)
    return seen


def _drawn(written: str) -> dict[str, str]:
    """What a terminal shows at the end: the first lines, what a task printed, and the last of all drawings."""
    plain = _ESCAPES.sub("", written).replace("\r", "")
    above, *drawings = plain.split("┬ sequence\n")
    printed = re.search(r"check \| .*", plain)
    assert printed is not None
    drawing = next(drawing for drawing in drawings if "Output of build" in drawing)
    return {"ABOVE": above.strip(), "PRINTED": printed[0], "DRAWN": f"┬ sequence\n{drawing}"}


def crash_and_resume(folder: Path, *, is_late: bool) -> dict[str, str]:
    """Kill the run in its work, or only when it waits, and go on; return what commands and requests answer, by name."""
    port = free_port()
    seen: dict[str, str] = {}
    begin, resume = _typed("smithers up bugfix.py --serve --run-id bug-1")
    with _up(folder, f"{begin} --port {port}") as lines:
        seen["RUN"] = lines.until("fix 1/30")
        if is_late:
            lines.until("smithers approve")
        _run(folder, _typed("kill -9")[0])
        lines.process.wait(timeout=DEADLINE_S)
    with _up(folder, f"{resume} --port {port}") as lines:
        if not is_late:
            seen["RESUME"] = lines.until("fix 1/30")
            lines.until("fix 29/30")
        seen["ASKED"] = lines.until("smithers approve")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            seen["STATUS"] = client.get("/").text
            seen["EVENTS"] = _events(client, "types=NodeFinished,ApprovalRequested", count=3)
            seen["APPROVALS"] = client.get("/approvals").text
            seen["APPROVE"] = client.post("/approve/deploy", json={"note": "Ship it", "decidedBy": "alice"}).text
            seen["APPROVED"] = lines.until("Ctrl+C")
            seen["DENY"] = client.post("/deny/deploy", json={"decidedBy": "bob"}).text
    return seen


def fail_and_mend(folder: Path) -> dict[str, str]:
    """Let the last step fail, mend it, and take over what was done."""
    file = folder / "bugfix.py"
    sound = file.read_text()
    file.write_text(sound.replace('print("shipped:", patch)', 'print("shipped:", pach)'))
    with _up(folder, _typed("smithers up bugfix.py --run-id bug-2")[0]) as lines:
        asked = lines.until("smithers approve")
        _run(folder, "smithers approve bug-2 --by alice")
        failed = asked + lines.rest()
    file.write_text(sound)
    with _up(folder, _typed("smithers up bugfix.py --from bug-2")[0]) as lines:
        return {"FAILED": failed, "FROM": lines.rest()}


def serve_to_others(folder: Path) -> dict[str, str]:
    """Serve with a token."""
    port = free_port()
    [serve] = _typed("smithers up bugfix.py --serve --port 8080")
    with _up(folder, serve.replace("8080", str(port))) as lines:
        lines.until("smithers approve")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=_TOKEN) as client:
            return {
                "T_STATUS": client.get("/").text,
                "T_EVENTS": _events(client, "", count=2),
                "T_APPROVE": client.post("/approve/deploy", json={"note": "Ship it", "decidedBy": "alice"}).text,
                "T_HEALTH": httpx.get(f"http://127.0.0.1:{port}/health").text,
            }


def _typed(beginning: str, document: Document = TUTORIAL) -> list[str]:
    """The commands that a document has its reader type."""
    lines = "\n".join(document.blocks("console")).splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith(f"$ {beginning}")]


def _run(folder: Path, command: str) -> str:
    ended = subprocess.run(
        ["bash", "-c", command], cwd=folder, check=True, capture_output=True, text=True, env=_environment()
    )
    return ended.stdout


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "PATH": path}


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
def _up(folder: Path, command: str) -> Iterator[Lines]:
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command}"],
        cwd=folder,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Lines(process)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=DEADLINE_S)


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
