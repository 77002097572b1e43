"""GET /metrics: what the log tells, what the state is, and how many requests were answered."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from smithersd.core.log import events as e
from smithersd.core.log.events import Event
from smithersd.core.log.states import Interruption, NodeState
from smithersd.errors import ErrorInfo
from smithersd.query.run_metrics import COUNTERS, DURATIONS
from smithersd.serve import serving
from tests.serve.broken import break_store
from tests.serve.conftest import Client, Connect, MakeApp
from tests.serve.story import Story, pending
from tests.support.waiting import until_async

FAULT = ErrorInfo("TASK_FAILED", "ValueError", "x")
Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


async def samples(client: Client, **headers: str) -> Samples:
    response = await client.get("/metrics", headers=headers)
    assert response.status == 200
    families = text_string_to_metric_families(await response.text())
    return {(one.name, frozenset(one.labels.items())): one.value for family in families for one in family.samples}


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def counters(found: Samples) -> dict[str, float]:
    return {name: value(found, f"{name}_total") for name in COUNTERS}


async def test_all_series_exist_before_the_run_does(client: Client) -> None:
    found = await samples(client)
    assert counters(found) == dict.fromkeys(COUNTERS, 0)
    for name in DURATIONS:
        assert value(found, f"{name}_count") == value(found, f"{name}_bucket", le="+Inf") == 0
    for state in NodeState:
        assert value(found, "smithers_nodes", state=state) == 0
    for gauge in ("runs_active", "nodes_active", "approval_pending", "streams_active"):
        assert value(found, f"smithers_{gauge}") == 0
    assert value(found, "smithers_process_uptime_seconds") >= 0
    assert value(found, "smithers_process_memory_rss_bytes") > 1_000_000
    answered = {"method": "POST", "route": "/approve/{node_id}", "status_code": "200", "status_class": "2xx"}
    assert value(found, "smithers_http_requests_total", **answered) == 0


async def test_the_same_series_exist_at_the_end(client: Client, story: Story) -> None:
    before = set(await samples(client))
    await story.begin()
    await story.run_task("a")
    await story.ask()
    await story.tell(e.ApprovalGranted("approval", 0, None, None, None, 0), e.NodeFinished("approval", 0))
    await story.tell(e.RunFinished())
    assert before <= set(await samples(client))


async def test_counters_tell_the_log(client: Client, story: Story) -> None:
    await story.begin(pending("a"), story.frame({"kind": "task", "id": "a"}))
    await story.tell(e.NodeStarted("a", 0, 1))
    await story.tell(e.TaskHeartbeat("a", 0, 1, None))
    await story.tell(e.NodeFailed("a", 0, FAULT, is_final=False, attempt=1), e.NodeRetrying("a", 0, 2, 0))
    await story.tell(e.NodeStarted("a", 0, 2))
    await story.tell(e.RunSuspended("stopped"))
    await story.tell(e.RunResumed(2, workflow_changed=False), e.NodeInterrupted("a", 0, 2, Interruption.SUSPENDED))
    await story.tell(e.NodeStarted("a", 0, 3))
    await story.tell(story.output("a", 1))
    await story.ask()
    found = await samples(client)
    assert {name: count for name, count in counters(found).items() if count} == {
        "smithers_runs": 1,
        "smithers_runs_resumed": 1,
        "smithers_runs_suspended": 1,
        "smithers_nodes_started": 3,
        "smithers_nodes_finished": 1,
        "smithers_nodes_failed": 1,
        "smithers_nodes_interrupted": 1,
        "smithers_node_retries": 1,
        "smithers_errors": 1,
        "smithers_heartbeats": 1,
        "smithers_approvals_requested": 1,
        "smithers_frames_committed": 1,
        "smithers_events_emitted": story.state.last_seq + 1,
    }
    assert value(found, "smithers_runs_active") == 1
    assert value(found, "smithers_approval_pending") == 1
    assert value(found, "smithers_nodes", state="finished") == 1
    assert value(found, "smithers_attempt_duration_seconds_count") == 3
    # From the first attempt to the end: a retry is not an end.
    assert value(found, "smithers_node_duration_seconds_count") == 1


async def test_a_run_that_timed_out_counts_as_failed_and_by_itself(client: Client, story: Story) -> None:
    await story.begin(pending("a"))
    await story.tell(e.RunFailed(ErrorInfo("RUN_TIMEOUT", "RunTimeout", "The run took too long.")))
    found = counters(await samples(client))
    assert (found["smithers_runs_failed"], found["smithers_runs_timed_out"]) == (1, 1)


async def test_gauges_go_back_and_counters_never_do(client: Client, story: Story) -> None:
    steps: list[tuple[Event, ...]] = [
        (pending("a"), e.NodeStarted("a", 0, 1)),
        (e.RunSuspended("stopped"),),
        (e.RunResumed(2, workflow_changed=False), e.NodeInterrupted("a", 0, 1, Interruption.CRASH)),
        (e.NodeStarted("a", 0, 2),),
        (e.NodeFinished("a", 0, 2),),
        (e.RunFinished(),),
    ]
    await story.begin()
    last = counters(await samples(client))
    running: list[float] = []
    for step in steps:
        await story.tell(*step)
        found = await samples(client)
        now = counters(found)
        assert all(now[name] >= last[name] for name in now)
        last = now
        running.append(value(found, "smithers_nodes_active"))
    assert running == [1, 1, 0, 1, 0, 0]
    found = await samples(client)
    assert value(found, "smithers_runs_active") == 0
    assert value(found, "smithers_run_duration_seconds_count") == 1


async def test_every_app_that_serves_the_run_tells_the_same(connect: Connect, story: Story) -> None:
    await story.begin()
    early = await connect()
    await samples(early)
    await story.run_task("a")
    await story.tell(e.RunSuspended("stopped"))
    await story.tell(e.RunResumed(2, workflow_changed=False))
    late = await connect()
    assert counters(await samples(late)) == counters(await samples(early))
    assert value(await samples(late), "smithers_runs_total") == 1


async def test_requests_are_counted_by_route_and_a_path_is_never_a_label(client: Client, story: Story) -> None:
    await story.begin(pending("a/b"))
    for path in ("/", "/nodes/a%2Fb", "/nodes/nope", "/secret-1", "/secret-2", "/approve/"):
        await client.get(path)
    await client.request("PROPFIND", "/")
    found = await samples(client)
    requests = {
        (dict(labels)["method"], dict(labels)["route"], dict(labels)["status_code"]): count
        for (name, labels), count in found.items()
        if name == "smithers_http_requests_total" and count
    }
    assert requests == {
        ("GET", "/", "200"): 1,
        ("GET", "/nodes/{node_id}", "200"): 1,
        ("GET", "/nodes/{node_id}", "404"): 1,
        ("GET", "unmatched", "404"): 3,
        ("other", "unmatched", "405"): 1,
    }
    assert not any("secret" in text for _, labels in found for _, text in labels)
    assert value(found, "smithers_http_request_duration_seconds_count", method="GET", route="unmatched") == 3


async def test_refused_requests_count_too(connect: Connect) -> None:
    client = await connect(auth_token="token")
    await client.get("/")
    found = await samples(client, **{"x-smithers-key": "token"})
    refused = {"method": "GET", "route": "/", "status_code": "401", "status_class": "4xx"}
    assert value(found, "smithers_http_requests_total", **refused) == 1


async def test_how_long_a_stream_was_open_is_no_duration_of_an_answer(make_app: MakeApp, story: Story) -> None:
    await story.begin()
    async with serving(make_app(), "127.0.0.1", 0) as server, ClientSession(server.url) as http:
        async with http.get("/events") as stream:
            assert await stream.content.readline()
            stream.close()

        async def left() -> str:
            text = await (await http.get("/metrics")).text()
            return text if 'route="/events",status_class="4xx",status_code="499"' in text else ""

        text = await until_async(left)
    assert 'smithers_http_request_duration_seconds_count{method="GET",route="/events"} 0.0' in text


async def test_names_follow_prometheus_conventions_and_are_there_once(client: Client) -> None:
    text = await (await client.get("/metrics")).text()
    families = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    assert len(families) == len({name for name, _ in families})
    for name, kind in families:
        assert name.startswith("smithers_")
        assert name.endswith("_total") == (kind == "counter")
        assert name.endswith("_seconds") == (kind == "histogram" or name == "smithers_process_uptime_seconds")
    assert text.count("# HELP") == len(families)
    assert 'le="Infinity"' not in text


async def test_a_scraper_that_asks_for_openmetrics_gets_it(client: Client) -> None:
    response = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert response.content_type == "application/openmetrics-text"
    assert list(openmetrics.text_string_to_metric_families(await response.text()))
    plain = await client.get("/metrics")
    assert plain.content_type == "text/plain"
    assert plain.headers["Cache-Control"] == "no-store"
    assert plain.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_off_there_is_nothing_at_its_path(connect: Connect, method: str) -> None:
    client = await connect(metrics=False)
    assert (await client.request(method, "/metrics")).status == 404


async def test_when_the_store_is_gone_the_last_numbers_stand(client: Client, story: Story, tmp_path: Path) -> None:
    await story.begin()
    before = counters(await samples(client))
    break_store(tmp_path / "runs.db")
    assert counters(await samples(client)) == before
