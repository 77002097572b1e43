"""Every answer, whatever went wrong: the JSON envelope and the headers."""

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from aiohttp import FormData

from smithersd.serve.errors import STATUS_BY_CODE
from tests.serve.conftest import Client, Connect
from tests.serve.story import Story, pending


async def check(client: Client, method: str, path: str, status: int, code: str, **more: Any) -> dict[str, str]:
    """Ask, and return the error after looking at all that must hold for every error."""
    answer = await client.request(method, path, **more)
    assert answer.status == status
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Server"] == "smithersd"
    body = await answer.json()
    assert list(body) == ["error"]
    assert set(body["error"]) <= {"code", "message", "details"}
    assert body["error"]["code"] == code
    assert STATUS_BY_CODE[code] == status
    return dict(answer.headers)


@pytest.mark.parametrize("path", ["/nope", "/nodes/", "/approve/", "/approve", "/events/", "/api/"])
async def test_an_unknown_path_is_not_found(client: Client, path: str) -> None:
    await check(client, "GET", path, 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/health", "GET, HEAD"),
        ("HEAD", "/events", "GET"),
        ("POST", "/events", "GET"),
        ("GET", "/cancel", "POST"),
        ("HEAD", "/cancel", "POST"),
        ("PUT", "/approve/approval", "POST"),
        ("OPTIONS", "/nodes", "GET, HEAD"),
        ("PROPFIND", "/frames", "GET, HEAD"),
    ],
)
async def test_a_known_path_with_another_method_is_not_allowed(
    client: Client, method: str, path: str, allow: str
) -> None:
    if method == "HEAD":
        answer = await client.head(path)
        assert (answer.status, answer.headers["Allow"]) == (405, allow)
        return
    headers = await check(client, method, path, 405, "METHOD_NOT_ALLOWED")
    assert headers["Allow"] == allow


@pytest.mark.parametrize("path", ["/", "/health", "/ready", "/frames", "/nodes", "/nodes/a", "/approvals", "/metrics"])
async def test_head_works_where_get_does(client: Client, story: Story, path: str) -> None:
    await story.begin(pending("a"))
    got, head = await client.get(path), await client.head(path)
    assert (got.status, head.status) == (200, 200)
    assert head.content_type == got.content_type
    assert got.headers["Cache-Control"] == head.headers["Cache-Control"] == "no-store"


async def test_what_nobody_foresaw_tells_only_an_id_that_the_log_has_too(
    client: Client, story: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await story.begin()
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("PRAGMA ignore_check_constraints = ON")
        connection.execute("UPDATE runs SET status = 'Unheard'")
    connection.close()
    answer = await client.get("/")
    error = (await answer.json())["error"]
    assert answer.status == 500
    assert error["code"] == "SERVER_ERROR"
    assert error["details"]["id"] in error["message"]
    assert "Unheard" not in error["message"]
    logged = next(record for record in caplog.records if error["details"]["id"] in record.getMessage())
    assert logged.levelno == logging.ERROR
    assert "Unheard" in caplog.text


async def test_a_form_is_not_json(client: Client, story: Story) -> None:
    await story.begin()
    await check(client, "POST", "/approve/approval", 400, "INVALID_JSON", data=FormData({"note": "x"}))


async def test_the_access_log_has_one_line_a_request_and_no_token(
    connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connect(auth_token="secret-token")
    with caplog.at_level(logging.DEBUG):
        await client.get("/nope?token=secret-token", headers={"Authorization": "Bearer secret-token"})
    lines = [record.getMessage() for record in caplog.records if record.name == "smithersd.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /nope 404 ")
    assert "secret-token" not in lines[0]
