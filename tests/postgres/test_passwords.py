"""The database's password is seen by nobody: not in /proc, not by tasks, not in what is written or printed."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.postgres.host import Host
from tests.support.backends import PostgresBackend
from tests.support.postgres_server import PASSWORD
from tests.support.waiting import until

SPYING = """
import json, subprocess

def spy():
    seen = json.dumps(dict(os.environ)) + subprocess.run(["env"], capture_output=True, text=True).stdout
    for file in ("environ", "cmdline"):
        seen += Path(f"/proc/{os.getpid()}/{file}").read_bytes().decode(errors="replace")
    Path("seen").write_text(seen)

@workflow
def spying(ctx):
    return Parallel(Task("spy", spy), Shell("sleep", "env > env; exec sleep 1000"), Approval("approval", title="Go?"))
"""

FORMS = [PASSWORD, quote(PASSWORD, safe=""), quote(quote(PASSWORD, safe=""), safe="")]


def shows_password(text: str) -> bool:
    return any(form in text for form in FORMS)


@pytest.mark.parametrize(
    ("way", "flags"),
    [
        ("user", ("-d",)),
        pytest.param("option", (), marks=pytest.mark.slow),
        pytest.param("listen_url", ("-d",), marks=pytest.mark.slow),
    ],
)
def test_nobody_sees_the_password(here: Host, database: PostgresBackend, way: str, flags: tuple[str, ...]) -> None:
    server = database.server
    bare = f"postgresql://smith@127.0.0.1:{server.port}/{database.database}?password={quote(PASSWORD, safe='')}"
    here.url = {
        "user": database.url,
        "option": bare,
        "listen_url": f"{database.url}?listen_url={quote(bare, safe='')}",
    }[way]
    here.write(SPYING)
    starter = here.up("--run-id", "r", "--serve", "--port", "0", *flags)
    until(lambda: here.lines("seen") and here.lines("env"), starter.text)
    processes = here.processes_left()
    assert processes
    for pid in processes:
        for file in ("environ", "cmdline"):
            assert not shows_password(Path(f"/proc/{pid}/{file}").read_bytes().decode(errors="replace"))
    commands = (("ps", "--json"), ("inspect", "r", "--json"), ("inspect", "r"), ("ps", "--all"), ("logs", "r"))
    said = [here.run(*command) for command in commands]
    said.append(here.run("down", "r"))
    if not flags:
        starter.wait()
    written = [path for path in here.folder.rglob("*") if path.is_file() and path.suffix != ".py"]
    assert {"seen", "env"} <= {path.name for path in written}
    assert [path.name for path in written if shows_password(path.read_text(errors="replace"))] == []
    assert json.loads(said[0][1])


def test_what_was_typed_is_not_in_the_list_of_processes(here: Host, database: PostgresBackend) -> None:
    here.write(SPYING)
    process = here.up("--run-id", "r", "--serve", "--port", "0", "--auth-token", "t0ken", "--store", database.url)
    process.until_text("smithers approve")
    shown = Path(f"/proc/{process.popen.pid}/cmdline").read_bytes().decode()
    assert "flow.py" in shown
    assert not shows_password(shown)
    assert "t0ken" not in shown
    assert process.request("/", Authorization="Bearer t0ken")[0] == 200
