"""Every Python file in the documents runs as printed; every block of code is one that a test runs or reads."""

import json
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from tests.docs.documents import DOCUMENTS, README, ROOT, TUTORIAL, document
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S, until

WORKFLOWS = document("docs/reference/workflows.md")
TESTING = document("docs/how-to/testing.md")
EMBEDDING = document("docs/how-to/embed.md")
MIGRATION = document("docs/how-to/migrate-from-a-script.md")

RUN_HERE = {
    *(
        "tell-chat.sh",
        "reminder.py",
        "order.py",
        "review.py",
        "payment.py",
        "rollout.py",
        "deploy_secretly.py",
        "upload.py",
        "test_bugfix.py",
        "mounted.py",
    ),
    *("report_script.py", "report.py"),
}
RUN_ELSEWHERE = {
    "deploy.py": "test_tour.py",
    "bugfix.py": "test_tour.py",
    "follow.js": "tests/acceptance/served/test_browser_example.py",
    "compose.yaml": "test_mentions.py",
}
LANGUAGES = {
    **dict.fromkeys(("nginx", "caddy", "apache", "haproxy", "lighttpd"), "tests/acceptance/served/test_proxies.py"),
    "console": "test_mentions.py",
    "sql": "test_sql.py",
    "text": "what a program shows",
    "ini": "a unit's setting",
    "logrotate": "test_the_log_is_rotated_as_shown",
}
"""Blocks that are no file, and what holds them."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".smithers").mkdir(mode=0o700)
    return tmp_path


def begin(folder: Path, *arguments: str, stdin: str = "") -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), str(ROOT)))}
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.flush()
    return process


def finish(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, said
    return said


def smithers(folder: Path, *arguments: str) -> str:
    return finish(begin(folder, "-m", "smithersd", *arguments))


def test_every_block_of_code_is_held_by_a_test() -> None:
    blocks = [block for one in DOCUMENTS for block in one.all_blocks()]
    titles = [block.title for block in blocks if block.title]
    assert sorted(titles) == sorted({*RUN_HERE, *RUN_ELSEWHERE})
    assert {block.language for block in blocks if not block.title} == set(LANGUAGES)


def test_the_review_runs(folder: Path) -> None:
    (folder / "review.py").write_text(WORKFLOWS.file("review.py"))
    said = smithers(folder, "up", "review.py")
    assert "lint reader.py finished" in said
    assert "lint writer.py finished" in said


def test_the_release_by_values_runs(folder: Path) -> None:
    (folder / "upload.py").write_text(WORKFLOWS.file("upload.py"))
    jumps = "import asyncio, upload, smithersd.testing as t; print(asyncio.run(t.run_to_end(upload.release)).outputs)"
    assert "uploaded dist/app.tar" in finish(begin(folder, "-c", jumps))


def test_the_order_runs(folder: Path) -> None:
    (folder / "order.py").write_text(WORKFLOWS.file("order.py"))
    run = "t.run_to_end(order.order, 'INV-7', signals={'paid': {'amount': 7}})"
    said = finish(
        begin(folder, "-c", f"import asyncio, order, smithersd.testing as t; print(asyncio.run({run}).outputs)")
    )
    assert said == "{'paid': {'amount': 7}, 'ship': 'shipped for 7'}\n"


def test_the_reminder_runs(folder: Path) -> None:
    (folder / "reminder.py").write_text(WORKFLOWS.file("reminder.py"))
    jumps = (
        "import asyncio, reminder, smithersd.testing as t; print(asyncio.run(t.run_to_end(reminder.reminder)).outputs)"
    )
    assert "sent: How was it?" in finish(begin(folder, "-c", jumps))


@pytest.mark.parametrize(("card", "charged"), [("expired", 1), ("busy", 4)])
def test_the_payment_is_retried_as_it_says(folder: Path, card: str, charged: int) -> None:
    (folder / "payment.py").write_text(WORKFLOWS.file("payment.py"))
    jumps = (
        "import asyncio, payment, smithersd.testing as t; calls = []; charge = payment.charge\n"
        "payment.charge = lambda card: calls.append(card) or charge(card)\n"
        f"print(asyncio.run(t.run_to_end(payment.payment, {card!r})).error, len(calls), 'calls')"
    )
    assert f" {charged} calls" in finish(begin(folder, "-c", jumps))


def test_the_rollout_runs(folder: Path) -> None:
    (folder / "rollout.py").write_text(WORKFLOWS.file("rollout.py"))
    runs = "import asyncio, rollout, smithersd.testing as t; print(asyncio.run(t.run_to_end(rollout.release)).outputs)"
    printed = finish(begin(folder, "-c", runs))
    assert "'eu/deploy': 'eu.example.com'" in printed
    assert "'report': 'eu.example.com answers\\nus.example.com answers'" in printed


def test_the_secret_deployment_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "deploy_secretly.py").write_text(WORKFLOWS.file("deploy_secretly.py"))
    (folder / "token").write_text("hunter2-token\n")
    monkeypatch.setenv("DEPLOY_TOKEN_FILE", str(folder / "token"))
    said = smithers(folder, "up", "deploy_secretly.py", "--input", '"1.2"', "--run-id", "r")
    assert "announce finished" in said
    kept = [path.read_bytes() for path in (folder / ".smithers").rglob("*") if path.is_file()]
    assert kept
    assert not any(b"hunter2" in content for content in kept)


def test_the_test_passes(folder: Path) -> None:
    (folder / "bugfix.py").write_text(TUTORIAL.file("bugfix.py"))
    (folder / "test_bugfix.py").write_text(TESTING.file("test_bugfix.py"))
    options = ("-p", "no:cacheprovider", "-p", "no:randomly", "-o", "asyncio_mode=auto")
    assert "1 passed" in finish(begin(folder, "-m", "pytest", *options, "test_bugfix.py"))


def test_the_graph_is_the_one_shown(folder: Path) -> None:
    (folder / "bugfix.py").write_text(TUTORIAL.file("bugfix.py"))
    assert smithers(folder, "graph", "bugfix.py") in TESTING.text


def test_the_program_that_mounts_a_run_serves_it_to_its_end(folder: Path) -> None:
    port = free_port()
    (folder / "bugfix.py").write_text(TUTORIAL.file("bugfix.py"))
    (folder / "mounted.py").write_text(EMBEDDING.file("mounted.py").replace("3000", str(port)))
    process = begin(folder, "mounted.py")
    approve = f"http://127.0.0.1:{port}/bugfix/approve/deploy"
    until(lambda: process.poll() is not None or is_done(approve), "the question")
    assert "finished" in finish(process)


def is_done(url: str) -> bool:
    """Whether the approval was there to be given."""
    try:
        return httpx.post(url, headers={"Authorization": "Bearer sk-secret"}).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.parametrize("verb", ["approve", "deny"])
def test_the_script_and_the_workflow_made_of_it_do_the_same(folder: Path, verb: str) -> None:
    (folder / "orders.json").write_text(json.dumps([{"price": 3}, {"price": 4}]))
    for name in ("report_script.py", "report.py"):
        (folder / name).write_text(MIGRATION.file(name))
    finish(begin(folder, "report_script.py", "orders.json", stdin="y\n" if verb == "approve" else "n\n"))
    sent = folder / "sent.txt"
    by_the_script = sent.read_text() if sent.exists() else ""
    sent.unlink(missing_ok=True)

    (typed,) = MIGRATION.blocks("console")
    assert typed == '$ smithers up report.py --input \'{"orders": "orders.json"}\'\n'
    up = begin(folder, "-m", "smithersd", "up", "report.py", "--input", '{"orders": "orders.json"}')
    assert up.stdout is not None
    assert any("agree asks" in line for line in up.stdout)
    smithers(folder, verb)
    finish(up)
    by_the_workflow = sent.read_text().split(" ", 1)[1] if sent.exists() else ""
    assert by_the_workflow == by_the_script
    assert by_the_script == ("2 orders, 7 EUR\n" if verb == "approve" else "")


def test_the_log_is_rotated_as_shown(folder: Path) -> None:
    (block,) = document("docs/how-to/background.md").blocks("logrotate")
    script = block.split("postrotate\n")[1].split("endscript")[0].replace("/srv/demo", str(folder))
    (folder / "deploy.py").write_text(README.file("deploy.py"))
    daemon = json.loads(smithers(folder, "up", "deploy.py", "--input", '"1"', "--run-id", "r", "-d", "--json"))
    log, stale = Path(daemon["logFile"]), folder / ".smithers" / "runs" / "gone" / "pid"
    stale.parent.mkdir()
    stale.write_text(f"{os.getpid()}\n")  # nobody has locked it: whose number it is must not be signalled
    try:
        log.rename(folder / "rotated")
        subprocess.run(["bash", "-euc", script], check=True, timeout=DEADLINE_S)
        smithers(folder, "approve", "r")
        until(lambda: log.exists() and "ship finished" in log.read_text(), "a log that was opened anew")
    finally:
        begin(folder, "-m", "smithersd", "down", "r", "--force", "--timeout", "5").communicate(timeout=DEADLINE_S)


@pytest.mark.skipif(not (shutil.which("jq") and shutil.which("curl")), reason="the script uses jq and curl")
def test_the_script_that_tells_a_chat_says_what_waits_and_what_failed(folder: Path) -> None:
    (folder / "tell-chat.sh").write_text(document("docs/how-to/notifications.md").file("tell-chat.sh"))
    asking = {"new": True, "title": "Ship it?", "approveCommand": "smithers approve r"}
    wait = {"runId": "r", "approvals": [asking, {**asking, "new": False}]}
    failure = {"runId": "r", "error": {"message": "the disk is full"}, "startFromCommand": "smithers up x.py --from r"}
    said = []
    with HTTPServer(("127.0.0.1", 0), Chat) as chat:
        environment = {**os.environ, "CHAT_URL": f"http://127.0.0.1:{chat.server_port}/"}
        for message in (wait, failure):
            command = ["sh", "tell-chat.sh"]
            script = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.PIPE, text=True)
            assert script.stdin is not None
            with script.stdin as stdin:
                json.dump(message, stdin)
            chat.timeout = DEADLINE_S
            chat.handle_request()
            assert script.wait(DEADLINE_S) == 0
            said.append(Chat.text)
    assert said == ["Ship it?\nsmithers approve r", "r failed: the disk is full\nsmithers up x.py --from r"]


class Chat(BaseHTTPRequestHandler):
    """A chat that keeps the last text."""

    text = ""

    def do_POST(self) -> None:
        Chat.text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing on stderr."""
