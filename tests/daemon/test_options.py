"""Options travel as JSON, and a secret shows nowhere else."""

from pathlib import Path

import pytest

from smithersd.daemon.options import ServeOptions, ServiceOptions
from smithersd.daemon.state.folder import StateFolder
from smithersd.daemon.state.storage import Storage
from smithersd.engine import RunOptions, StartMode

OPTIONS = ServiceOptions(
    workflow="flow.py:name",
    storage=Storage(StateFolder(Path("/somewhere/.smithers")), "postgresql://ada:pa55word@host/runs"),
    run_id="r",
    input='{"text": "ünïcode"}',
    run=RunOptions(
        mode=StartMode.EITHER, redo=("a", "b"), is_forced=True, max_concurrency=7, suspend_when_waiting=True
    ),
    serve=ServeOptions(port=0, auth_token="s3cret", allowed_hosts=("a.example", "b.example")),
)


def test_options_arrive_as_they_were_sent() -> None:
    assert ServiceOptions.from_json(OPTIONS.to_json()) == OPTIONS
    bare = ServiceOptions(workflow="flow.py", storage=Storage(StateFolder(Path("/somewhere/.smithers"))))
    assert ServiceOptions.from_json(bare.to_json()) == bare


@pytest.mark.parametrize("secret", ["s3cret", "pa55word"])
def test_a_secret_shows_in_no_representation(secret: str) -> None:
    assert secret not in repr(OPTIONS)
    assert secret in OPTIONS.to_json().decode()
