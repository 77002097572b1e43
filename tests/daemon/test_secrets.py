"""The token of a daemon is seen by nobody: not in /proc, not by its tasks, not in what it writes."""

import json
from pathlib import Path

import pytest

from smithersd.daemon import command_lines
from smithersd.daemon.state.folder import find_state_folder
from smithersd.daemon.state.storage import Storage
from tests.support.daemons import DaemonPlace, children_of, command_of
from tests.support.waiting import until

TOKEN = "tell-it-to-nobody-7d1f"
SPYING = f"""
import json, subprocess

def spy():
    parts = {TOKEN.split("-")!r}
    seen = json.dumps(dict(os.environ)) + subprocess.run(["env"], capture_output=True, text=True).stdout
    for file in ("environ", "cmdline"):
        seen += Path(f"/proc/{{os.getpid()}}/{{file}}").read_bytes().decode(errors="replace")
    Path("seen").write_text("yes" if "-".join(parts) in seen else "no")

print(sorted(os.environ), sys.argv)

@workflow
def spying(ctx):
    return Parallel(Task("spy", spy), Shell("sleep", "env > env; exec sleep 1000"), Approval("approval", title="Go?"))
"""


@pytest.mark.parametrize("way", ["flag", "environment"])
def test_nobody_sees_the_token(place: DaemonPlace, way: str) -> None:
    place.write(SPYING)
    flags, env = (("--auth-token", TOKEN), {}) if way == "flag" else ((), {"SMITHERS_API_KEY": TOKEN})
    said = place.call("up", "flow.py", "-d", "--json", "--serve", "--port", "0", "--run-id", "r", *flags, **env)
    assert said.code == 0, said.err
    until(lambda: place.lines("seen"))
    assert place.lines("seen") == ["no"]
    pid = json.loads(said.out)["pid"]
    until(lambda: any(command_of(one) == "sleep" for one in children_of(pid)))
    for one in (pid, *children_of(pid)):
        for file in ("environ", "cmdline"):
            assert TOKEN.encode() not in Path(f"/proc/{one}/{file}").read_bytes()
    assert place.call("down", "r").code == 0
    written = [path for path in place.folder.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert {"log", "env", "smithers.db"} <= {path.name for path in written}
    assert [path.name for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in said.out + said.err


def test_meta_json_has_no_token(place: DaemonPlace) -> None:
    place.write(SPYING)
    daemon = place.serve("--run-id", "r", "--auth-token", TOKEN)
    assert daemon.request("/")[0] == 401
    assert daemon.request("/", Authorization=f"Bearer {TOKEN}")[0] == 200
    assert TOKEN not in (daemon.pid_file.parent / "meta.json").read_text()


def test_a_start_that_fails_tells_no_token(place: DaemonPlace) -> None:
    place.write("raise RuntimeError('not today')")
    said = place.call("up", "flow.py", "-d", "--serve", "--auth-token", TOKEN, "--debug")
    assert said.code == 4
    assert "Traceback" in said.err
    assert TOKEN not in said.err


def _stored(url: str) -> Storage:
    return Storage(find_state_folder(), url)


def test_a_command_to_paste_has_no_password() -> None:
    command = command_lines.resume("r", "/flow.py", storage=_stored("postgresql://ada:s3cret@db.example:5432/runs"))
    assert command.endswith("up /flow.py --run-id r --resume --store postgresql://ada@db.example:5432/runs")
    command = command_lines.down(
        "r", storage=_stored("postgresql://db/runs?sslmode=require&password=s3cret&schema=team")
    )
    assert command.endswith("down r --store 'postgresql://db/runs?sslmode=require&schema=team'")
    assert command_lines.down("r", storage=_stored("sqlite:///my.db")).endswith("down r --store sqlite:///my.db")
