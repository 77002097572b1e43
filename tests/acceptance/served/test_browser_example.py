"""The documented way to follow a run from a browser, run as it stands."""

import json
import shutil
import subprocess

import pytest

from tests.docs.documents import document
from tests.support.place import Place
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S

FOLLOW = """
const [url, token] = process.argv.slice(2);
try {
  for await (const event of follow(url, token)) console.log(JSON.stringify(event));
  console.log("over");
} catch (error) {
  console.log(`${error.constructor.name}: ${error.message}`);
}
"""


def following(place: Place, port: int, token: str) -> subprocess.Popen[str]:
    node = shutil.which("node")
    if node is None or subprocess.run([node, "-e", "fetch"], check=False, capture_output=True).returncode:
        pytest.skip("there is no node that knows fetch")
    block = document("docs/how-to/browser.md").file("follow.js")
    (place.folder / "follow.mjs").write_text(block + FOLLOW)
    return subprocess.Popen(
        [node, "follow.mjs", f"http://127.0.0.1:{port}", token], cwd=place.folder, stdout=subprocess.PIPE, text=True
    )


def test_the_browser_example_follows_over_a_suspension_to_the_end_and_says_a_refusal(place: Place) -> None:
    place.write("""
        @workflow
        def asking(ctx):
            return Sequence(Task("first", int), Approval("approval", title="Go?"))
        """)
    port = free_port()
    serving = ("--run-id", "r", "--serve", "--port", str(port))
    up = place.up(*serving, SMITHERS_API_KEY="sk-1")
    up.until_text("smithers approve")
    good, bad = following(place, port, "sk-1"), following(place, port, "sk-2")
    assert bad.communicate(timeout=DEADLINE_S)[0].startswith("Refused: ")
    assert good.stdout is not None
    lines: list[str] = []
    while not (lines and "NodeWaitingApproval" in lines[-1]):
        lines.append(good.stdout.readline())
    up.popen.terminate()
    assert up.wait() == 143
    up = place.up(*serving, "--resume", SMITHERS_API_KEY="sk-1")
    up.until_text("smithers approve")
    assert up.request("/approve/approval", {}, **{"x-smithers-key": "sk-1"})[0] == 200
    lines += good.stdout.read().splitlines()
    good.stdout.close()
    assert good.wait() == 0
    assert lines[-1] == "over"
    assert [json.loads(line)["type"] for line in lines[:-1]] == place.types("r")
