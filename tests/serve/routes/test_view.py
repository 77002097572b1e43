"""The view: whoever reads sees everything that was committed before they asked."""

import asyncio

from smithersd.core.log.fold import RunState
from smithersd.query.run_view import RunView
from smithersd.store import Store
from tests.serve.story import Story, pending


def view_of(store: Store) -> RunView:
    return RunView(store, "run-1", observe=lambda _run, _recorded: None)


async def last_seq(view: RunView) -> int:
    async with view.reading() as run:
        return run.last_seq


async def test_a_look_whose_client_left_counts_for_nobody_who_waited_with_it(store: Store, story: Story) -> None:
    await story.begin()
    view = view_of(store)
    async with view.reading():
        leaving, staying = (asyncio.create_task(last_seq(view)) for _ in range(2))
        await asyncio.sleep(0)
        await story.tell(pending("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == story.state.last_seq
    await asyncio.gather(leaving, return_exceptions=True)
    assert leaving.cancelled()


async def test_readings_that_come_together_all_see_what_was_committed_before(store: Store, story: Story) -> None:
    await story.begin()
    view = view_of(store)
    for number in range(20):
        await story.tell(pending(f"task-{number}"))
        seen = await asyncio.gather(*(last_seq(view) for _ in range(10)))
        assert seen == [story.state.last_seq] * 10


async def test_the_state_stands_still_while_it_is_read(store: Store, story: Story) -> None:
    await story.begin()
    view = view_of(store)
    async with view.reading() as run:
        before = run.last_seq
        other = asyncio.create_task(last_seq(view))
        await story.tell(pending("a"))
        assert run.last_seq == before
    assert await other == story.state.last_seq


async def test_folds_a_log_of_many_pages_like_its_writer(store: Store, story: Story) -> None:
    await story.begin()
    for start in range(0, 6_000, 2_000):
        await story.tell(*(pending(f"task-{number}") for number in range(start, start + 2_000)))
    async with view_of(store).reading() as run:
        assert isinstance(run, RunState)
        assert run == story.state


async def test_an_event_that_fills_a_page_of_its_own_is_not_missed(store: Store, story: Story) -> None:
    await story.begin(pending("a"), pending("b", label="x" * 5_000_000), pending("c"))
    assert await last_seq(view_of(store)) == story.state.last_seq
