"""A store on disk, runs told by hand, and apps that serve them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from smithersd.serve import create_serve_app
from smithersd.store import Store, open_store
from tests.serve.story import Story


@dataclass(frozen=True)
class Demo:
    """All that the app asks of a workflow."""

    name: str = "demo"


@pytest.fixture(autouse=True)
def every_run_is_what_its_log_says() -> None:
    """Not here: a run that is told by hand is told in part. Where an engine runs, `check_agreement` looks."""


@pytest.fixture(autouse=True)
def _no_token_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMITHERS_API_KEY", raising=False)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path / "runs.db") as opened:
        yield opened


@pytest.fixture
def story(store: Store) -> Story:
    return Story(store)


@pytest.fixture
def abort() -> asyncio.Event:
    return asyncio.Event()


MakeApp = Callable[..., web.Application]
Client = TestClient[web.Request, web.Application]
Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
def make_app(store: Store, abort: asyncio.Event) -> MakeApp:
    def make(**options: Any) -> web.Application:
        return create_serve_app(Demo(), store=store, abort=abort, **{"run_id": "run-1"} | options)

    return make


@pytest.fixture
def connect(make_app: MakeApp, aiohttp_client: Any) -> Connect:
    """Make an app and a client for it."""

    async def make(**options: Any) -> Client:
        client: Client = await aiohttp_client(make_app(**options))
        return client

    return make


@pytest.fixture
async def client(connect: Connect) -> Client:
    return await connect()
