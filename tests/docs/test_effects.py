"""What a run leaves in its state folder, and what it hands to an operator's commands, is documented, all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.documents import README, document
from tests.docs.test_code import smithers
from tests.docs.test_reference import API, assert_same
from tests.support.waiting import until

FILES = document("docs/reference/cli.md").section("The state folder").first_cells()
NOTIFICATIONS = document("docs/how-to/notifications.md")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Where a run `r` is begun, whose process is ended afterwards."""
    (tmp_path / ".smithers").mkdir(mode=0o700)
    (tmp_path / "deploy.py").write_text(README.file("deploy.py"))
    yield tmp_path
    smithers(tmp_path, "down", "r", "--force", "--timeout", "5")


def test_every_file_and_every_field_of_a_notification_is_documented(folder: Path) -> None:
    state = folder / ".smithers"
    hooks = ("--on-wait", "cat > wait; mv wait wait.json", "--on-end", "cat > end; mv end end.json")
    smithers(folder, "up", "deploy.py", "--serve", "--port", "0", "-d", "--run-id", "r", "--input", '"1"', *hooks)
    wait = read(folder / "wait.json")
    smithers(folder, "approve", "r")
    end = read(folder / "end.json")
    until((state / "runs" / "r" / "sent").exists)  # it is written once the command has ended

    paths = {str(path.relative_to(state)).replace("runs/r/", "runs/RUN/") for path in state.rglob("*")}
    found = paths - {"runs", "runs/r"}
    assert found <= set(FILES)
    assert set(FILES) - found == {"runs/RUN/tracebacks", "runs/RUN/stop-sender"}, (
        "the log has these, and nobody stops it"
    )

    status = API["components"]["schemas"]["Run"]["properties"]
    assert_same(NOTIFICATIONS.section("When a person is needed").first_cells(), wait)
    assert_same(
        NOTIFICATIONS.section("When the run fails or ends").first_cells(), end.keys() - status.keys() | {"error"}
    )
    (sentence,) = re.findall(r"\| `approvals` \| (.*) \|", NOTIFICATIONS.text)
    beside = set(re.findall(r"`(\w+)`", sentence.partition("`GET /approvals`")[2]))
    assert beside == {"new", "approveCommand", "denyCommand"} <= wait["approvals"][0].keys()


def read(path: Path) -> Any:
    """What a command was handed, as soon as it was."""
    until(path.exists, path.name)
    return json.loads(path.read_text())
