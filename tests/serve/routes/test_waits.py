"""GET /waits: everything that the run waits for."""

from smithersd.core.log.states import WaitKind
from tests.serve.conftest import Client
from tests.serve.story import Story


async def test_what_is_waited_for_is_listed_the_longest_waiting_first(client: Client, story: Story) -> None:
    await story.begin()
    await story.wait_for_time("next/morning", after_ms=60_000)
    await story.ask("ship it", title="Ship?")
    timer, approval = await (await client.get("/waits")).json()
    wait = story.state.nodes["next/morning", 0].waits[WaitKind.TIMER]
    assert (timer["sinceMs"], timer["dueAtMs"]) == (wait.requested_at_ms, wait.due_at_ms)
    assert [timer[name] for name in ("kind", "nodeId", "iteration", "title", "name", "endedBy")] == [
        *("timer", "next/morning", 0, None, None),
        ["POST /fire/next/morning"],
    ]
    assert (approval["kind"], approval["title"], approval["dueAtMs"]) == ("approval", "Ship?", None)
    assert approval["endedBy"] == ["POST /approve/ship%20it", "POST /deny/ship%20it"]


async def test_what_ends_a_wait_is_a_route_that_does_so(client: Client, story: Story) -> None:
    await story.begin()
    await story.wait_for_time("next morning?")
    await story.abandon()
    (wait,) = await (await client.get("/waits")).json()
    method, path = wait["endedBy"][0].split(" ", 1)
    assert (await client.request(method, path)).status == 200
    assert [row.node_id for row in await story.store.requests("run-1")] == ["next morning?"]
