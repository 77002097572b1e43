"""Schemathesis, which knows the API by its OpenAPI document only, tries every route of real servers.

Whatever it sends: no answer is a 5xx, each is what the document says, a refusal is in our envelope, what breaks the
document is refused, and nothing is answered without the token. A stream of a run that goes on has no end to wait for:
`tests/serve/requests/test_every_route.py` asks for those.
"""

import json
import subprocess
import sys
from pathlib import Path

from smithersd.core.log.states import RunStatus
from tests.serve.requests.openapi import openapi
from tests.support.place import Place, Process, clean_environment

TOKEN = "sk-s3cret"
APPROVALS = [f"approval-{number}" for number in range(3)]
FLOW = f"""
@workflow
def flow(ctx):
    work = Task("work", lambda: {{"done": True}})
    approvals = [Approval(name, title="Go?", show=work, on_deny="continue") for name in {APPROVALS}]
    return Sequence(work, Parallel(*approvals, Task("goes on", asyncio.Event().wait)))
"""


def check(place: Place, server: Process, *options: str, token: str | None = None) -> None:
    """Run Schemathesis against a server with a document that names the nodes which it may decide on."""
    document = place.folder / "openapi.json"
    document.write_text(json.dumps(openapi(run_id="r", node_ids=["work", *APPROVALS], has_token=token is not None)))
    sent = () if token is None else ("--header", f"Authorization: Bearer {token}")
    fixed = ("--seed", "1", "--max-examples", "8", "--generation-database", "none")
    patient = ("--request-timeout", "20", "--warnings", "off", "--suppress-health-check", "all")
    program = str(Path(sys.executable).with_name("schemathesis"))
    asked = ("run", str(document), "--url", server.url, "--checks", "all", "--phases", "coverage,fuzzing")
    checked = subprocess.run(
        (program, "--no-color", *asked, *fixed, *patient, *sent, *options),
        cwd=place.folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "No issues found" in checked.stdout


def test_a_run_that_is_driven_answers_as_its_document_says(place: Place) -> None:
    place.write(FLOW)
    server = place.up("--run-id", "r", "--serve", "--port", "0")
    server.until_text("smithers approve")
    check(place, server, "--exclude-path", "/events", "--exclude-path", "/cancel")
    assert server.request("/")[1]["status"] == RunStatus.RUNNING, "although every approval may have been decided on"


def test_a_run_that_nobody_drives_and_that_is_cancelled_meanwhile_does_too(place: Place) -> None:
    leave_waiting(place)
    server = place.start("serve", "r", "--port", "0", SMITHERS_API_KEY=TOKEN)
    check(place, server, "--exclude-path", "/events", token=TOKEN)
    assert place.state("r").status is RunStatus.CANCELLED


def test_a_run_that_has_ended_does_too(place: Place) -> None:
    leave_waiting(place)
    assert place.run("cancel", "r")[0] == 0
    check(place, place.start("serve", "r", "--port", "0"))


def leave_waiting(place: Place) -> None:
    place.write(FLOW)
    driver = place.up("--run-id", "r")
    driver.until_text("smithers approve")
    driver.kill()
