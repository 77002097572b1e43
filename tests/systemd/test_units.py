"""The unit files themselves, and what `smithers systemd install` makes of them."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.systemd import CHECKOUT, Service, running_manager
from tests.support.waiting import until

UNITS = CHECKOUT / "systemd"
FLOW = "from smithersd import Shell, workflow\n\n@workflow\ndef flow(ctx):\n    return Shell('a', 'id -un > who')\n"


def install(folder, *options):
    """Run the command; return its output, the files that it printed by path, and its exit code."""
    (folder / "flow.py").write_text(FLOW)
    done = subprocess.run(
        [sys.executable, "-m", "smithersd", "systemd", "install", "flow.py", "--run-id", "r", *options],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT), "XDG_CONFIG_HOME": str(folder / "config")},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout


def verified(folder, kind):
    """What systemd has to say against the units in a folder."""
    environ = {**os.environ, "SYSTEMD_UNIT_PATH": f"{folder}:", "XDG_RUNTIME_DIR": str(folder)}
    units = [str(path) for path in folder.glob("smithersd@*.s*") if path.is_file()]
    assert units
    done = subprocess.run(
        ["systemd-analyze", f"--{kind}", "verify", *units], env=environ, capture_output=True, text=True, check=True
    )
    return done.stdout + done.stderr


def unpacked(printed, folder):
    """Write the files that --print printed into one folder."""
    for part in printed.split("# /")[1:]:
        name, text = part.split("\n", 1)
        place = folder / name[name.index("smithersd@") :]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


@pytest.mark.parametrize("kind", ["user", "system"])
def test_systemd_finds_nothing_wrong_with_the_units(systemd, tmp_path, kind):
    for path in (UNITS / kind / "smithersd@.service", UNITS / "smithersd@.socket"):
        (tmp_path / path.name).write_text(path.read_text())

    assert verified(tmp_path, kind) == ""


@pytest.mark.parametrize("kind", ["user", "system"])
def test_systemd_finds_nothing_wrong_with_what_is_installed(systemd, tmp_path, kind):
    for folder in ("place", "units"):
        (tmp_path / folder).mkdir()
    scope = ["--system"] if kind == "system" else []
    code, printed = install(tmp_path / "place", "--print", "--socket", "--token-file", "token", *scope)
    assert code == 0, printed
    unpacked(printed, tmp_path / "units")
    (tmp_path / "units" / "smithersd@r.service").symlink_to("smithersd@.service")

    assert verified(tmp_path / "units", kind) == ""


def test_printing_writes_nothing(tmp_path):
    code, _ = install(tmp_path, "--print")

    assert code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["flow.py"]


def test_a_state_folder_of_the_environment_is_that_of_the_service(tmp_path, monkeypatch):
    monkeypatch.setenv("SMITHERS_DIR", str(tmp_path / "kept"))
    code, printed = install(tmp_path, "--print")

    assert code == 0
    assert f"--state-folder {tmp_path / 'kept'}" in printed


def test_it_says_what_to_type_next(tmp_path):
    code, said = install(tmp_path, "--token-file", "secret", "--socket")

    assert code == 0
    assert "systemctl --user enable --now smithersd@r.socket smithersd@r.service" in said
    assert f"base64 > {tmp_path / 'secret'})" in said


def test_the_token_is_made_with_the_folder_that_it_lies_in(tmp_path):
    _, said = install(tmp_path, "--token-file", "kept here/secret")
    (line,) = (line for line in said.splitlines() if "base64" in line)
    subprocess.run(["sh", "-c", line], check=True)

    made = tmp_path / "kept here" / "secret"
    assert len(made.read_text().strip()) == 32
    assert (made.parent.stat().st_mode & 0o777, made.stat().st_mode & 0o777) == (0o700, 0o600)


def test_hooks_reach_the_unit(tmp_path):
    _, printed = install(tmp_path, "--print", "--", "--on-fail", "mail ops")

    assert '--on-fail "mail ops"' in printed


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--", "--auth-token", "sesame"], "must not contain a token"),
        (["--", "--store", "postgresql://ada:sesame@db/runs"], "must not contain a password"),
        (["--", "--detach"], "-d cannot be given to a service"),
        (["--", "--no-such-flag"], "--no-such-flag"),
        (["--run-id", "../r"], "cannot be a run id"),
        (["--token-file", "backslash\\"], "cannot be written in a unit file"),
        (["--", "--input", "line\nline"], "cannot be written in a unit file"),
        (["--socket", "--host", "localhost"], "cannot listen on 'localhost'"),
    ],
)
def test_what_has_no_place_in_a_unit_is_refused_and_nothing_is_written(tmp_path, options, complaint):
    code, said = install(tmp_path, *options)

    assert code == 4
    assert complaint in said
    assert not (tmp_path / "config").exists()


@pytest.mark.slow
def test_odd_folders_and_options_arrive_as_they_are(service, tmp_path):
    run = service("")
    odd = tmp_path / "a $HOME 50% \"quoted\" 'folder' \\x"
    (odd / ".smithers").mkdir(parents=True)
    run.folder = odd
    given = '{"who": "$USER 100% \\"x\\" \'y\' \\\\"}'
    (odd / "flow.py").write_text(
        "from pathlib import Path\nfrom smithersd import Task, workflow\n\n"
        "def write(value):\n    Path('who').write_text(value['who'])\n\n"
        "@workflow\ndef flow(ctx):\n    return Task('a', write, ctx.input)\n"
    )
    run.install("--", "--input", given)
    run.start()
    run.await_status("finished")

    assert run.effects("who") == ["$USER 100% \"x\" 'y' \\"], shlex.quote(given)


@pytest.mark.slow
def test_the_users_unit_runs_without_any_privilege(systemd, tmp_path_factory):
    place = Path(subprocess.check_output(["mktemp", "-d"], text=True).strip())
    try:
        with running_manager("nobody", place) as manager:
            run = Service(manager, place / "runs", "plain", FLOW)
            token_file = place / "runs" / "token"
            token_file.write_text("sesame")
            token_file.chmod(0o644)
            run.install("--token-file", str(token_file))
            run.token = "sesame"
            run.start()
            run.await_status("finished")

            assert run.effects("who") == ["nobody"]
            assert run.main_process.username() == "nobody"
            status = Path(f"/proc/{run.main_process.pid}/status").read_text()
            assert "NoNewPrivs:\t1" in status
            run.stop()
            until(lambda: run.show("ActiveState") == "inactive")
    finally:
        subprocess.check_call(["rm", "-rf", str(place)])


ORDINARY = """
from multiprocessing import get_context
from concurrent.futures import ProcessPoolExecutor
from smithersd import Sequence, Shell, Task, workflow

def in_pool():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(len, "abc").result()

@workflow
def flow(ctx):
    return Sequence(
        Task("pool", in_pool),
        Shell("temporary", "f=$(mktemp) && python3 -c 'import ssl, socket; socket.socket()' > $f && rm $f"),
        Shell("system", "touch /usr/smithersd-test || echo refused > outcome"),
    )
"""


NOT_HARDENING = {"Wants", "After", "User", "WorkingDirectory", "WantedBy"}
NOT_IN_HERE = {"ProtectKernelTunables", "ProtectKernelLogs"}
"""They lay mounts over /proc, which a manager in a process namespace may not do."""


@pytest.mark.slow
def test_the_systems_unit_bears_an_ordinary_workflow(service):
    users = (UNITS / "user" / "smithersd@.service").read_text().splitlines()
    systems = (UNITS / "system" / "smithersd@.service").read_text().splitlines()
    names = {line: line.split("=")[0] for line in systems if line not in users and line[:1].isupper()}
    run = service(ORDINARY)
    run.install()
    run.configure(*(line for line, name in names.items() if name not in NOT_HARDENING | NOT_IN_HERE))
    run.start()
    run.await_status("finished")

    assert run.effects("outcome") == ["refused"]
    assert "CapBnd:\t0000000000000000" in Path(f"/proc/{run.main_process.pid}/status").read_text()
