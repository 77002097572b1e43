"""GET /health and /ready, and what becomes of the others when the store is gone."""

from pathlib import Path

import pytest

from smithersd.engine.drivers import register_driver, unregister_driver
from smithersd.store import Store
from tests.serve.broken import break_store, mend_store
from tests.serve.conftest import Client
from tests.serve.story import Story


class Driver:
    problem: str | None = None
    has_lease = True

    def signal_problem(self, name: str, key: str | None, data: str) -> None:
        """No node waits."""

    async def holds_lease(self) -> bool:
        return self.has_lease


@pytest.mark.parametrize("path", ["/health", "/ready"])
async def test_are_well_before_the_run_exists(client: Client, path: str) -> None:
    response = await client.get(path)
    assert response.status == 200
    assert await response.json() == {"ok": True}


async def test_ready_tells_of_the_engine_in_this_process(client: Client, store: Store) -> None:
    driver = Driver()
    register_driver(store.url, "run-1", driver)
    try:
        assert (await client.get("/ready")).status == 200
        driver.problem = "disk full at /secret/path"
        response = await client.get("/ready")
        error = (await response.json())["error"]
        assert (response.status, error["code"]) == (503, "NOT_READY")
        assert "secret" not in error["message"]
        assert response.headers["Retry-After"] == "1"
        assert (await client.get("/health")).status == 200
        driver.problem, driver.has_lease = None, False
        response = await client.get("/ready")
        assert (response.status, (await response.json())["error"]["code"]) == (503, "NOT_READY")
    finally:
        unregister_driver(store.url, "run-1")
    assert (await client.get("/ready")).status == 200


GET_PATHS = ["/", "/nodes", "/nodes/a", "/frames", "/approvals", "/events"]


@pytest.mark.parametrize(
    ("method", "path"), [*(("GET", path) for path in GET_PATHS), ("POST", "/approve/approval"), ("POST", "/cancel")]
)
async def test_a_store_that_refuses_is_said_without_its_secrets(
    client: Client, story: Story, tmp_path: Path, method: str, path: str
) -> None:
    await story.begin()
    break_store(tmp_path / "runs.db")
    response = await client.request(method, path)
    error = (await response.json())["error"]
    assert (response.status, error["code"]) == (503, "STORE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "1"
    assert "sqlite" not in error["message"].lower()
    assert "table" not in error["message"]


async def test_a_store_that_refuses_is_not_ready(client: Client, story: Story, tmp_path: Path) -> None:
    await story.begin()
    break_store(tmp_path / "runs.db")
    response = await client.get("/ready")
    assert (response.status, (await response.json())["error"]["code"]) == (503, "NOT_READY")
    assert (await client.get("/health")).status == 200
    mend_store(tmp_path / "runs.db")
    assert (await client.get("/ready")).status == 200


async def test_a_store_that_is_away_for_a_while_is_found_again(client: Client, story: Story, tmp_path: Path) -> None:
    await story.begin()
    break_store(tmp_path / "runs.db")
    assert (await client.get("/")).status == 503
    mend_store(tmp_path / "runs.db")
    assert (await client.get("/")).status == 200
