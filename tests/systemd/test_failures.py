"""What systemd makes of a run that failed or cannot begin: its unit, its socket, its journal."""

import re
import sys
import urllib.error
from pathlib import Path

import pytest

from tests.support.systemd import Service
from tests.support.waiting import until

pytestmark = pytest.mark.slow

APPROVAL = """
from smithersd import Approval, workflow

@workflow
def waiting(ctx):
    return Approval("approval", title="Go on?")
"""
FAILING = """
from smithersd import Approval, Sequence, Shell, workflow

@workflow
def failing(ctx):
    return Sequence(Approval("approval", title="Go on?"), Shell("fail", "echo once >> effects; exit 1"))
"""
CANNOT_BEGIN = "from pathlib import Path\nPath('starts').open('a').write('once\\n')\nimport nothing_of_this_name\n"


def tell(run: Service) -> Path:
    """Have a file made by OnFailure= of the run's unit; return its path."""
    told = run.folder / "told"
    unit = run.manager.home / "config" / "systemd" / "user" / f"tell-{run.run_id}.service"
    unit.write_text(f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo told >> {told}'\n")
    run.configure(f"OnFailure={unit.name}", section="Unit")
    return told


def socket_state(run: Service) -> str:
    return run.manager.systemctl("show", "--property=ActiveState", "--value", run.socket).strip()


def printed(run: Service, *options: str) -> list[str]:
    """What the run's process has printed, as far as `journalctl` with these options selects it."""
    return run.manager.journal(f"--unit={run.unit}", *options).splitlines()


def test_the_unit_of_a_failed_run_is_failed_and_on_failure_is_told(service):
    run = service(FAILING)
    run.install()
    told = tell(run)
    run.start()
    run.await_status("waiting-approval")
    run.request("/approve/approval", method="POST")
    until(told.exists, "OnFailure=")

    assert (run.show("ActiveState"), run.show("Result")) == ("failed", "exit-code")
    assert (run.show("ExecMainStatus"), run.show("NRestarts")) == ("1", "0")
    assert run.effects() == ["once"]
    assert '"status": "failed"' in run.manager.smithers("inspect", run.run_id, "--json", cwd=run.folder)


def test_the_end_of_a_failed_run_is_served_by_smithers_serve(service):
    run = service(FAILING.replace('Approval("approval", title="Go on?"), ', ""))
    run.install()
    run.start()
    until(lambda: run.show("ActiveState") == "failed", "the failure")

    serve = f"{sys.executable} -m smithersd serve {run.run_id} --port {run.port}"
    ask = f"until curl --fail --silent http://127.0.0.1:{run.port}/; do sleep 0.1; done"
    said = run.manager.run("sh", "-c", f"{serve} & {ask}; kill $!; wait $!", cwd=run.folder, check=False)

    assert re.search('"status": ?"failed"', said)


def test_a_failed_run_closes_its_socket_and_no_request_starts_it_again(service):
    run = service(FAILING)
    run.install("--socket")
    run.manager.systemctl("start", run.socket)
    run.await_status("waiting-approval")
    run.request("/approve/approval", method="POST")
    until(lambda: run.show("ActiveState") == "failed", "the failure")
    until(lambda: socket_state(run) == "inactive", "the close of the socket")

    with pytest.raises(urllib.error.URLError):
        run.request("/health")
    assert (run.show("ActiveState"), run.show("Result")) == ("failed", "exit-code")
    assert run.effects() == ["once"]


def test_a_request_for_a_workflow_that_cannot_begin_starts_it_once(service):
    run = service(CANNOT_BEGIN)
    (run.folder / "flow.py").write_text(APPROVAL)
    run.install("--socket")
    (run.folder / "flow.py").write_text(CANNOT_BEGIN)
    run.manager.systemctl("start", run.socket)

    with pytest.raises((urllib.error.URLError, ConnectionError)):
        run.request("/health")
    until(lambda: socket_state(run) == "inactive", "the close of the socket")
    assert (run.show("ActiveState"), run.show("Result"), run.show("ExecMainStatus")) == ("failed", "exit-code", "4")
    assert run.effects("starts") == ["once"]

    (run.folder / "flow.py").write_text(APPROVAL)  # mended
    run.start()
    run.await_status("waiting-approval")
    assert socket_state(run) == "active"


def test_the_journal_knows_what_is_wrong_and_has_the_time_once(service):
    run = service("""
from smithersd import Parallel, Shell, Task, workflow

def breaks():
    raise ValueError("broken")

@workflow
def failing(ctx):
    return Parallel(Task("task", breaks, continue_on_fail=True), Shell("fail", "echo printed; exit 3"))
""")
    run.install()
    run.start()
    until(lambda: run.show("ActiveState") == "failed", "the failure")
    everything = printed(run)
    warnings = printed(run, "--priority=warning")
    errors = printed(run, "--priority=err")

    assert "fail | printed" in everything
    assert not [line for line in everything if re.search(r"\d\d:\d\d:\d\d|^<\d>", line)]
    assert any(line.startswith("fail failed") for line in warnings)
    assert "fail | printed" not in warnings
    assert any(line.startswith("run failed") for line in errors)
    assert not any(line.startswith("fail failed") for line in errors)


def test_why_a_workflow_cannot_begin_is_an_error_in_the_journal(service):
    run = service(APPROVAL)
    run.install()
    (run.folder / "flow.py").write_text(CANNOT_BEGIN)
    run.manager.systemctl("start", run.unit, check=False)

    assert any("could not be imported" in line for line in printed(run, "--priority=err"))
