"""`smithers prune`: runs that ended long ago go, with their folders; whatever is in somebody's hand stays."""

import json

import pytest

from tests.support.place import Place
from tests.support.waiting import until

FLOWS = """
@workflow
def short(ctx): return Sequence(Task("one", int), Task("two", int))

@workflow
def waiting(ctx): return Approval("approval", title="Go?")

@workflow
def failing(ctx): return Sequence(Task("one", int), Task("two", int, "no number"))
"""


def up(place: Place, workflow: str, run_id: str, *arguments: str) -> int:
    return place.run("up", f"flow.py:{workflow}", "--run-id", run_id, *arguments)[0]


def known(place: Place) -> set[str]:
    return {run["runId"] for run in json.loads(place.run("ps", "--all", "--json")[1])}


def test_prune_deletes_ended_runs_and_their_folders_and_leaves_the_rest(place: Place) -> None:
    place.write(FLOWS)
    assert up(place, "short", "done") == 0
    (place.state_folder / "runs" / "done").mkdir(parents=True, exist_ok=True)
    (place.state_folder / "runs" / "done" / "log").write_text("what it said")
    assert up(place, "waiting", "suspended", "--no-wait") == 3
    live = place.start("up", "flow.py:waiting", "--run-id", "live")
    live.until_text("smithers approve")
    served = place.start("up", "flow.py:short", "--run-id", "served", "--serve", "--port", "0")
    served.until_text("Run finished")

    code, text = place.run("prune", "--older-than", "1d")
    assert (code, text) == (0, "No run ended more than 1d ago.\n")
    code, text = place.run("prune", "--older-than", "0s", "--dry-run")
    assert code == 0
    assert "Would prune done, finished at" in text
    assert known(place) == {"done", "suspended", "live", "served"}

    code, text = place.run("prune", "--older-than", "0s", "--json")
    told = json.loads(text)
    assert [run["runId"] for run in told["pruned"]] == ["done"]
    assert [(run["runId"], str(served.popen.pid) in run["reason"]) for run in told["kept"]] == [("served", True)]
    assert known(place) == {"suspended", "live", "served"}
    assert not (place.state_folder / "runs" / "done").exists()
    assert served.request("/")[1]["status"] == "finished"
    assert up(place, "waiting", "suspended", "--resume", "--no-wait") == 3


def test_a_run_that_is_served_while_it_is_pruned_is_not_found_any_more(place: Place) -> None:
    place.write(FLOWS)
    assert up(place, "short", "r") == 0
    server = place.start("serve", "r", "--port", "0")
    assert server.request("/")[1]["status"] == "finished"
    assert server.request("/nodes")[0] == 200
    assert place.run("prune", "--older-than", "0s")[0] == 0
    for path in ("/", "/nodes", "/nodes/one", "/frames", "/approvals"):
        assert server.request(path)[0] == 404, path
    assert server.request("/cancel", {})[0] == 404
    assert server.request("/approve/one", {})[0] == 404
    assert server.request("/ready")[0] == 200
    assert up(place, "failing", "r") == 1, "the id is free"
    assert server.request("/")[1]["status"] == "failed"
    assert server.popen.poll() is None


@pytest.mark.slow
def test_what_a_live_run_takes_over_is_kept_for_it(place: Place) -> None:
    place.write(FLOWS)
    assert up(place, "failing", "first") == 1
    place.write(FLOWS.replace('Task("two", int, "no number")', 'Approval("approval", title="Go?")'))
    second = place.start("up", "flow.py:failing", "--from", "first", "--run-id", "second")
    second.until_text("smithers approve")
    code, text = place.run("prune", "--older-than", "0s")
    assert code == 0
    assert "Kept first: a live run reuses its outputs." in text
    place.run("approve", "second")
    assert second.wait() == 0
    assert place.run("prune", "--older-than", "0s")[0] == 0
    assert known(place) == set()


def test_an_age_without_a_unit_is_refused(place: Place) -> None:
    code, text = place.run("prune", "--older-than", "30")
    assert code == 4
    assert "--older-than is '30', which is not a duration" in text


@pytest.mark.slow
def test_runs_are_pruned_beside_one_that_commits_at_full_speed(place: Place) -> None:
    place.write("""
        def begin(): Path("begun").touch()

        @workflow
        def long(ctx: Context[int]):
            return Sequence(Task("begin", begin), *(Task(f"step-{n}", int) for n in range(ctx.input)))
        """)
    assert place.up("--run-id", "old", "--input", "400").wait() == 0
    (place.folder / "begun").unlink()
    busy = place.up("--run-id", "busy", "--input", "6000")
    until((place.folder / "begun").exists, "its first step")
    assert place.run("prune", "--older-than", "0s", "--json")[0] == 0
    assert known(place) == {"busy"}
    assert busy.popen.poll() is None
    assert place.run("cancel", "busy")[0] == 0
    assert busy.wait() == 2
