"""Several daemons on one state folder do not disturb each other."""

from tests.support.daemons import DaemonPlace
from tests.support.waiting import until

TWO = """
@workflow
def one(ctx):
    return Sequence(Approval("approval", title="Go?"), Shell("say", "echo only by one"))

@workflow
def other(ctx):
    return Sequence(Approval("approval", title="Go?"), Shell("say", "echo only by other"))
"""


def test_each_has_its_own_port_pidfile_and_log(place: DaemonPlace) -> None:
    place.write(TWO)
    names = ("one", "other", "one", "other")
    said = [
        place.call("up", f"flow.py:{name}", "-d", "--serve", "--port", "0", "--run-id", f"r{i}")
        for i, name in enumerate(names)
    ]
    assert [one.code for one in said] == [0, 0, 0, 0]
    runs = [place.state_folder / "runs" / f"r{i}" for i in range(4)]
    pids = [int((run / "pid").read_text()) for run in runs]
    assert len(set(pids)) == 4
    assert place.call("ps").out.count("http://127.0.0.1:") == 4
    assert place.call("approve", "r1").code == 0
    until(lambda: place.status("r1") == "finished")
    assert place.call("down", "r2", "--suspend").code == 0
    statuses = [place.status(f"r{i}") for i in range(4)]
    assert statuses == ["waiting-approval", "finished", "suspended", "waiting-approval"]
    logs = [(run / "log").read_text() for run in runs]
    assert [log.count("only by") for log in logs] == [0, 2, 0, 0], "printed, and then the result"
    assert all({line.split()[2] for line in log.splitlines()} == {f"r{i}"} for i, log in enumerate(logs))
    assert place.call("down", "--all").code == 0
    assert not place.processes_left()
