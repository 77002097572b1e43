"""What is served where, and who is told how to reach it."""

import json
import re

import pytest

from tests.support.place import Place

WAITING = """
def speak():
    print(os.environ.get("SMITHERS_API_KEY"))

@workflow
def waiting(ctx):
    return Sequence(Task("speak", speak), Approval("approval", title="Go?"))
"""
TOKEN = "sk-s3cret"


def test_the_token_is_asked_for_and_shows_nowhere(place: Place) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--port", "0", "--auth-token", TOKEN)
    up.until_text("smithers approve")
    assert up.request("/health")[0] == 200
    assert up.request("/")[0] == 401
    assert up.request("/", Authorization=f"Bearer {TOKEN}")[0] == 200
    files = [path for path in place.state_folder.rglob("*") if path.is_file()]
    assert {"meta.json", "smithers.db"} <= {path.name for path in files}
    assert all(TOKEN.encode() not in path.read_bytes() for path in files)
    assert TOKEN not in up.text


def test_a_token_in_the_environment_is_asked_for_and_no_task_sees_it(place: Place) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--port", "0", SMITHERS_API_KEY=TOKEN)
    assert up.request("/health")[0] == 200
    assert up.request("/events")[0] == 401
    up.until_text(r"speak \| None")


def test_commands_on_this_machine_find_the_process_while_it_lives(place: Place) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--port", "0")
    up.until_text("smithers approve")
    meta = place.state_folder / "runs" / "r" / "meta.json"
    assert meta.stat().st_mode & 0o777 == 0o600
    told = json.loads(meta.read_text())
    assert (told["process"]["pid"], told["url"]) == (up.popen.pid, up.url)
    up.popen.terminate()
    up.wait()
    assert not meta.exists()


@pytest.mark.parametrize(
    ("flags", "warning"),
    [((), r"!! Requests from other machines"), (("--insecure",), r"!! ANYONE WHO REACHES THIS ADDRESS")],
)
def test_a_public_address_without_a_token_is_warned_of(place: Place, flags: tuple[str, ...], warning: str) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--host", "0.0.0.0", "--port", "0", *flags)
    up.until_text(warning)
    assert up.request("/")[0] == 200


@pytest.mark.parametrize("flags", [("--host", "0.0.0.0", "--auth-token", TOKEN), ("--host", "localhost")])
def test_no_warning_where_there_is_no_danger(place: Place, flags: tuple[str, ...]) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--port", "0", *flags)
    up.until_text("smithers approve")
    assert "!!" not in up.text


def test_metrics_can_be_left_out(place: Place) -> None:
    place.write(WAITING)
    up = place.up("--run-id", "r", "--serve", "--port", "0", "--no-metrics")
    assert up.request("/metrics")[0] == 404


def test_the_store_may_lie_elsewhere_and_the_printed_commands_say_so(place: Place) -> None:
    place.write(WAITING)
    url = f"sqlite:///{place.folder}/else where.db"
    up = place.up("--run-id", "r", "--store", url)
    command = up.until_text(r"smithers (approve .*)\n")[1]
    assert re.search(r"--store 'sqlite:.*else where\.db'", command)
    assert [path.name for path in place.state_folder.iterdir()] == ["runs"]
    up.popen.terminate()
    assert up.wait() == 143
