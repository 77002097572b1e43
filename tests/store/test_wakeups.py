"""Wake-ups: in this process and from another one, each with the other off. They only wake."""

import asyncio

import pytest

from smithersd.store import Store
from smithersd.store.postgres import listener
from smithersd.store.records import Topic
from smithersd.store.sqlite import threads
from tests.store.processes import ready_child
from tests.store.rows import NOW_MS, approval, begin, decision, event, pending, step
from tests.support.backends import Backend
from tests.support.ports import free_port
from tests.support.waiting import DEADLINE_S

NEVER_S = 3_600.0


@pytest.fixture
async def run(store: Store) -> None:
    await store.commit(begin("run-1", pending(1, "approval"), waits=(approval(),)))


@pytest.fixture
def deaf(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody listens to other processes."""
    monkeypatch.setattr(threads, "DATA_VERSION_POLL_S", NEVER_S)
    monkeypatch.setattr(listener, "LISTEN_POLL_S", NEVER_S)
    if backend.name == "postgres":
        backend.url += f"?listen_url=postgresql://127.0.0.1:{free_port()}/nowhere"


@pytest.mark.usefixtures("deaf", "run")
async def test_a_commit_wakes_who_follows_events_in_its_own_process(store: Store) -> None:
    events, requests, other = asyncio.Event(), asyncio.Event(), asyncio.Event()
    store.subscribe("run-1", Topic.EVENTS, events.set)
    store.subscribe("run-1", Topic.REQUESTS, requests.set)
    store.subscribe("run-2", Topic.EVENTS, other.set)
    await store.commit(step("run-1", event(2)))
    assert (events.is_set(), requests.is_set(), other.is_set()) == (True, False, False)


@pytest.mark.usefixtures("deaf", "run")
async def test_a_request_wakes_the_driver_in_its_own_process(store: Store) -> None:
    events, requests = asyncio.Event(), asyncio.Event()
    store.subscribe("run-1", Topic.EVENTS, events.set)
    store.subscribe("run-1", Topic.REQUESTS, requests.set)
    await store.submit_decision(*decision())
    assert (events.is_set(), requests.is_set()) == (False, True)
    requests.clear()
    await store.submit_cancel("run-1", created_at_ms=NOW_MS)
    assert requests.is_set()


@pytest.mark.usefixtures("run")
async def test_another_processs_commit_wakes_who_follows_events(backend: Backend, store: Store) -> None:
    woken = asyncio.Event()
    async with ready_child("commit", backend.url, "run-1", 2) as child:
        store.subscribe("run-1", Topic.EVENTS, woken.set)
        child.go()
        async with asyncio.timeout(DEADLINE_S):
            while (await store.run("run-1")).last_seq < 2:
                await woken.wait()
                woken.clear()


@pytest.mark.usefixtures("run")
@pytest.mark.parametrize("verb", [("decide", "approval", "ada", 1), ("take",)])
async def test_another_processs_request_or_take_over_wakes_the_driver(
    backend: Backend, store: Store, verb: tuple[str | int, ...]
) -> None:
    woken = asyncio.Event()
    async with ready_child(str(verb[0]), backend.url, "run-1", *verb[1:]) as child:
        store.subscribe("run-1", Topic.REQUESTS, woken.set)
        child.go()
        async with asyncio.timeout(DEADLINE_S):
            while not await store.requests("run-1") and (await store.run("run-1")).fence == 1:
                await woken.wait()
                woken.clear()


async def test_a_commit_wakes_another_process(backend: Backend, store: Store) -> None:
    await store.commit(begin())
    async with ready_child("follow", backend.url, "run-1") as child:
        child.go()
        await store.commit(step("run-1", event(1)))
        assert await child.line() == 1


@pytest.mark.usefixtures("deaf", "run")
async def test_who_has_left_is_not_woken_and_may_leave_twice(store: Store) -> None:
    left, stays = asyncio.Event(), asyncio.Event()
    leave = store.subscribe("run-1", Topic.EVENTS, left.set)
    store.subscribe("run-1", Topic.EVENTS, stays.set)
    leave()
    leave()
    await store.commit(step("run-1", event(2)))
    assert (left.is_set(), stays.is_set()) == (False, True)


@pytest.mark.usefixtures("run")
async def test_who_follows_again_after_all_have_left_is_woken(backend: Backend, store: Store) -> None:
    store.subscribe("run-1", Topic.EVENTS, lambda: None)()
    woken = asyncio.Event()
    async with ready_child("commit", backend.url, "run-1", 2) as child:
        store.subscribe("run-1", Topic.EVENTS, woken.set)
        child.go()
        async with asyncio.timeout(DEADLINE_S):
            await woken.wait()
