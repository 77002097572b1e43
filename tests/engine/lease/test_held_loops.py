"""Author code that holds the event loop: it is named, and nobody takes the run meanwhile."""

import asyncio
import logging
import re
import threading
import time
from typing import Any

import pytest

from smithersd import Sequence, Store, Task, open_store, workflow
from smithersd.core.log.states import RunStatus
from smithersd.engine.lease.held_loop import HeldLoopReport, Holder
from tests.support.backends import Backend
from tests.support.runs import run
from tests.support.waiting import until

LEASE_S = 3.0
"""Longer than PostgreSQL may need for a connection, short enough to be waited for."""


def lease_end_ms(url: str) -> int:
    """Read when the run's lease ends, without the loop."""
    found: list[int] = []

    async def read() -> None:
        async with open_store(url) as store:
            found.append((await store.run("r")).lease_expires_at_ms or 0)

    reading = threading.Thread(target=asyncio.run, args=(read(),))
    reading.start()
    reading.join()
    return found[0]


async def test_a_task_that_holds_the_loop_is_named_and_its_lease_is_renewed(
    backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    ends_ms: set[int] = set()

    async def holds() -> None:
        def is_renewed_twice() -> bool:
            ends_ms.add(lease_end_ms(backend.url))
            return len(ends_ms) > 2

        until(is_renewed_twice)
        until(lambda: "held" in caplog.text)

    @workflow
    def flow(_: Any) -> Any:
        return Task("culprit", holds)

    async with open_store(backend.url, lease_s=LEASE_S) as store:
        assert (await run(flow, store)).status is RunStatus.FINISHED
    (said,) = [record.getMessage() for record in caplog.records if "has been blocked" in record.getMessage()]
    assert re.search(r"by task 'culprit', at tests/(support/waiting|engine/lease/test_held_loops)\.py:\d+ in ", said)


async def test_code_of_the_workflow_itself_that_holds_the_loop_is_named(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    def is_slow(_: Any) -> bool:
        until(lambda: "held" in caplog.text)
        return False

    @workflow
    def flow(_: Any) -> Any:
        return Sequence(Task("first", int), Task("a", int, skip_if=is_slow))

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert re.search(
        r"by code of the workflow, at tests/(support/waiting|engine/lease/test_held_loops)\.py:\d+ in ", caplog.text
    )


async def test_a_loop_that_is_free_is_not_named(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    @workflow
    def flow(_: Any) -> Any:
        return Task("a", time.sleep, 1.5)

    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert "held" not in caplog.text


def test_many_short_holds_are_not_many_lines(caplog: pytest.LogCaptureFixture) -> None:
    report = HeldLoopReport()
    for number in range(100):
        report.warn(1.0, Holder("a", f"flow.py:{number} in one", "flow.py:1"))
        report.end(1.5)
        report.warn(1.0, Holder("b", f"flow.py:{number} in another", "flow.py:200"))
        report.end(1.5)
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2
    assert "runs again, after it was blocked for 2 s" in caplog.text
