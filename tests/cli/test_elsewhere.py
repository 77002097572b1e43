"""Commands on a run that another host or container drives: they say who does, and what is possible from here."""

import json
import signal
from collections.abc import Callable, Iterator

import pytest

from smithersd.core.log.states import RunStatus
from smithersd.store import Store
from tests.cli.conftest import FLOWS, Said, driving, finish, in_store, kill, start

Smithers = Callable[..., Said]

ELSEWHERE = {"host": "hostb", "bootId": "b", "pidNamespace": "pid:[1]", "pid": 4242, "startTime": 7}


def hold_elsewhere(run_id: str, *, lease_s: float) -> None:
    """Let a process of another host have the lease."""

    async def take(store: Store) -> None:
        other = Store(store.database, lease_s=lease_s)
        await other.take_lease(run_id, json.dumps(ELSEWHERE), is_dead=lambda _: True)

    in_store(take)


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A run that waits at an approval, and that a process of another host drives."""
    with driving("approval", "r", RunStatus.WAITING_APPROVAL) as process:
        kill(process)
        hold_elsewhere("r", lease_s=100)
        yield "r"


@pytest.fixture
def lapsed() -> Iterator[str]:
    """The same, but that process has not been heard of since its lease ran out."""
    with driving("approval", "r", RunStatus.WAITING_APPROVAL) as process:
        kill(process)
        hold_elsewhere("r", lease_s=-90)
        yield "r"


@pytest.mark.usefixtures("elsewhere")
def test_ps_and_inspect_name_the_driver_on_the_other_host(smithers: Smithers) -> None:
    said = smithers("ps")
    assert "waiting-approval" in said.out
    assert "4242@hostb" in said.out
    (listed,) = smithers("ps", "--json").document
    assert listed["driver"] == {"host": "hostb", "pid": 4242, "isLocal": False}
    assert listed["pid"] is None
    assert "process 4242 on hostb" in smithers("inspect", "r").out
    assert smithers("inspect", "r", "--json").document["driver"]["host"] == "hostb"


@pytest.mark.usefixtures("lapsed")
def test_a_driver_that_let_its_lease_run_out_is_not_called_running_and_not_called_dead(smithers: Smithers) -> None:
    said = smithers("ps").out
    assert " interrupted " in said
    assert "process 4242 on hostb has not renewed its lease, which ran out 1m30s ago" in said
    assert "--run-id r --resume\n" in said
    (listed,) = smithers("ps", "--json").document
    assert (listed["status"], listed["driver"]) == ("interrupted", None)


def test_a_stopped_driver_of_this_machine_can_only_be_relieved_by_force(smithers: Smithers) -> None:
    with driving("approval", "r", RunStatus.WAITING_APPROVAL, "--lease", "0.1") as process:
        process.send_signal(signal.SIGSTOP)
        while " interrupted " not in (said := smithers("ps").out):
            pass
        assert f"process {process.pid} on" in said
        assert "--run-id r --resume --force" in said


@pytest.mark.usefixtures("elsewhere")
def test_a_decision_that_the_other_host_has_not_taken_up_is_said_to_be_stored(smithers: Smithers) -> None:
    said = smithers("approve", "r")
    assert said.code == 0
    assert "The request is stored; process 4242 on hostb, which drives the run, has not applied it yet." in said.out


@pytest.mark.usefixtures("lapsed")
def test_a_decision_for_a_driver_that_let_its_lease_run_out_counts_when_the_run_goes_on(smithers: Smithers) -> None:
    said = smithers("deny", "r")
    assert said.code == 0
    assert "takes effect when the run is resumed" in said.out


@pytest.mark.usefixtures("elsewhere")
def test_cancel_names_who_is_to_do_it(smithers: Smithers) -> None:
    assert "being cancelled by process 4242 on hostb" in smithers("cancel", "r").out


@pytest.mark.usefixtures("lapsed")
def test_cancel_ends_a_run_whose_driver_let_its_lease_run_out(smithers: Smithers) -> None:
    assert smithers("cancel", "r").code == 0
    assert smithers("ps", "--all", "--json").document[0]["status"] == "cancelled"


@pytest.mark.usefixtures("elsewhere")
def test_down_says_that_it_can_cancel_the_run_and_not_suspend_it(smithers: Smithers) -> None:
    said = smithers("down", "r", "--suspend")
    assert said.code == 4
    assert "driven by process 4242 on hostb" in said.err
    assert "Suspend it there" in said.err
    said = smithers("down", "r", "--timeout", "0.1")
    assert said.code == 1
    assert "The request is stored and its driver will cancel it" in said.err


@pytest.mark.usefixtures("elsewhere")
def test_up_offers_to_stand_by_or_to_take_the_run() -> None:
    said = finish(start("up", f"{FLOWS}:approval", "--run-id", "r", "--resume"))
    assert said.code == 4
    assert "driven by process 4242 on hostb" in said.err
    assert "--standby" in said.err
    assert "--force" in said.err
