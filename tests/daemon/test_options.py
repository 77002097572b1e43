"""Options travel as JSON, and the token shows nowhere else."""

from smithersd.daemon.options import ServeOptions, ServiceOptions
from smithersd.engine import RunOptions, StartMode

OPTIONS = ServiceOptions(
    workflow="flow.py:name",
    state_folder="/somewhere/.smithers",
    run_id="r",
    mode=StartMode.EITHER,
    input='{"text": "ünïcode"}',
    run=RunOptions(max_concurrency=7, suspend_when_waiting=True, captures_output=True),
    is_forced=True,
    serve=ServeOptions(port=0, auth_token="s3cret", allowed_hosts=("a.example", "b.example")),
)


def test_options_arrive_as_they_were_sent() -> None:
    assert ServiceOptions.from_json(OPTIONS.to_json()) == OPTIONS
    bare = ServiceOptions(workflow="flow.py", state_folder=".smithers")
    assert ServiceOptions.from_json(bare.to_json()) == bare


def test_the_token_shows_in_no_representation() -> None:
    assert "s3cret" not in repr(OPTIONS)
    assert "s3cret" in OPTIONS.to_json().decode()
