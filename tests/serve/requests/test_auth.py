"""Who may ask: with a token whoever has it, without one only this machine's own tools."""

import asyncio

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from smithersd.errors import InvalidRequest
from smithersd.serve.auth import RequestGuard
from smithersd.serve.errors import Forbidden, Unauthorized
from tests.serve.conftest import Client, Connect, MakeApp
from tests.serve.story import Story

TOKEN = "sk-s3cret-a"


@pytest.fixture
async def closed(connect: Connect, story: Story) -> Client:
    await story.begin()
    return await connect(auth_token=TOKEN)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {TOKEN}"},
        {"Authorization": f"bearer {TOKEN}"},
        {"authorization": f"BEARER   {TOKEN} "},
        {"x-smithers-key": TOKEN},
        {"X-Smithers-Key": TOKEN, "Authorization": "Bearer wrong"},
    ],
)
async def test_either_header_opens(closed: Client, headers: dict[str, str]) -> None:
    assert (await closed.get("/", headers=headers)).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"x-smithers-key": ""},
        {"x-smithers-key": TOKEN[:-1]},
    ],
)
async def test_anything_else_is_unauthorized(closed: Client, headers: dict[str, str]) -> None:
    answer = await closed.get("/", headers=headers)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert (await answer.json())["error"]["code"] == "UNAUTHORIZED"


@pytest.mark.parametrize("path", ["/events", "/metrics", "/nodes", "/nope", "/approvals", "/result"])
async def test_everything_but_health_asks_for_the_token(closed: Client, path: str) -> None:
    assert (await closed.get(path)).status == 401


async def test_nothing_is_done_without_the_token(closed: Client, story: Story) -> None:
    await story.ask()
    for path in ("/approve/approval", "/deny/approval", "/cancel"):
        assert (await closed.post(path, json={})).status == 401
    assert await story.store.requests("run-1") == []


async def test_health_and_ready_are_open(closed: Client) -> None:
    strange = {"Host": "evil.example", "Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for path in ("/health", "/ready"):
        assert (await closed.get(path, headers=strange)).status == 200


async def test_with_the_token_any_host_and_origin_will_do(closed: Client) -> None:
    headers = {"Host": "run.example", "Origin": "https://board.example", "x-smithers-key": TOKEN}
    assert (await closed.get("/", headers=headers)).status == 200


async def test_the_environment_names_the_token(connect: Connect, monkeypatch: pytest.MonkeyPatch, story: Story) -> None:
    await story.begin()
    monkeypatch.setenv("SMITHERS_API_KEY", "from-outside")
    client = await connect()
    assert (await client.get("/")).status == 401
    assert (await client.get("/", headers={"x-smithers-key": "from-outside"})).status == 200
    given = await connect(auth_token="given")
    assert (await given.get("/", headers={"x-smithers-key": "from-outside"})).status == 401
    assert (await given.get("/", headers={"x-smithers-key": "given"})).status == 200


@pytest.mark.parametrize("token", ["", " ", "x\n", "a\0b", " x", "sk-ä", "sk-\u2028"])
def test_a_token_that_cannot_be_sent_is_an_error_and_never_no_auth(make_app: MakeApp, token: str) -> None:
    with pytest.raises(InvalidRequest):
        make_app(auth_token=token)


def test_an_empty_token_in_the_environment_is_an_error(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMITHERS_API_KEY", "")
    with pytest.raises(InvalidRequest, match="empty"):
        make_app()


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "localhost:7331"},
        {"Host": "LOCALHOST"},
        {"Host": "localhost."},
        {"Host": "run.localhost:80"},
        {"Host": "127.0.0.1"},
        {"Host": "127.9.9.9:1"},
        {"Host": "[::1]:7331"},
        {"Host": "[::ffff:127.0.0.1]"},
        {"Host": "ops.example:7331"},
        {"Host": "localhost:7331", "Origin": "http://localhost:7331"},
        {"Host": "localhost", "Origin": "http://localhost:80"},
        {"Host": "localhost:7331", "Origin": "https://ops.example"},
        {"Host": "localhost:7331", "Sec-Fetch-Site": "same-origin"},
        {"Host": "localhost:7331", "Sec-Fetch-Site": "none"},
    ],
)
async def test_without_a_token_this_machine_is_answered(
    connect: Connect, story: Story, headers: dict[str, str]
) -> None:
    await story.begin()
    client = await connect(allowed_hosts=["OPS.example"])
    assert (await client.get("/", headers=headers)).status == 200


FOREIGN = [
    {"Host": "evil.example"},
    {"Host": "evil.example:7331"},
    {"Host": "localhost.evil.example"},
    {"Host": "127.0.0.1.evil.example"},
    {"Host": "0.0.0.0:7331"},
    {"Host": "10.0.0.5"},
    {"Host": ""},
    {"Host": "localhost:x"},
    {"Host": "[::1].evil.example"},
    {"Host": "[::2]"},
    {"Origin": "null"},
    {"Origin": "https://evil.example"},
    {"Origin": "http://localhost:3000"},
    {"Origin": "file://"},
    {"Origin": "http://[broken"},
    {"Sec-Fetch-Site": "cross-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
async def test_without_a_token_what_may_come_from_elsewhere_is_refused(
    connect: Connect, story: Story, headers: dict[str, str]
) -> None:
    await story.begin()
    await story.ask()
    client = await connect()
    answer = await client.post("/approve/approval", headers={"Host": "localhost:7331"} | headers)
    assert answer.status == 403
    assert (await answer.json())["error"]["code"] == "FORBIDDEN"
    assert await story.store.requests("run-1") == []


async def test_insecure_opens_the_host_but_not_to_pages_of_other_sites(connect: Connect, story: Story) -> None:
    await story.begin()
    client = await connect(insecure=True)
    assert (await client.get("/", headers={"Host": "10.0.0.5:7331"})).status == 200
    same = {"Host": "10.0.0.5:7331", "Origin": "http://10.0.0.5:7331"}
    assert (await client.get("/", headers=same)).status == 200
    foreign = {"Host": "10.0.0.5:7331", "Origin": "http://evil.example"}
    assert (await client.get("/", headers=foreign)).status == 403


@pytest.mark.parametrize("host", ["", "a/b", "http://x", "a b"])
def test_an_allowed_host_that_is_none_is_an_error(make_app: MakeApp, host: str) -> None:
    with pytest.raises(InvalidRequest):
        make_app(allowed_hosts=[host])


class Transport(asyncio.Transport):
    """A connection from some address."""

    def __init__(self, peer: object) -> None:
        super().__init__({"peername": peer})


def request_from(peer: object) -> web.Request:
    return make_mocked_request("GET", "/", headers={"Host": "localhost:7331"}, transport=Transport(peer))


@pytest.mark.parametrize(
    "peer", [("10.0.0.5", 1), ("192.0.2.1", 1), ("2001:db8::1", 1, 0, 0), ("::ffff:10.0.0.5", 1, 0, 0), ("0.0.0.0", 1)]
)
def test_other_machines_need_a_token_or_an_insecure_app(peer: object) -> None:
    guard = RequestGuard(token=None, is_insecure=False, allowed_hosts=["localhost"])
    with pytest.raises(Forbidden) as refused:
        guard.check(request_from(peer))
    assert refused.value.remedy is not None
    assert "--auth-token" in refused.value.remedy
    assert "--insecure" in refused.value.remedy
    RequestGuard(token=None, is_insecure=True, allowed_hosts=[]).check(request_from(peer))
    with pytest.raises(Unauthorized):
        RequestGuard(token=TOKEN, is_insecure=True, allowed_hosts=[]).check(request_from(peer))


@pytest.mark.parametrize(
    "peer", [("127.0.0.1", 1), ("127.8.8.8", 1), ("::1", 1, 0, 0), ("::ffff:127.0.0.1", 1, 0, 0), ""]
)
def test_this_machine_needs_none(peer: object) -> None:
    RequestGuard(token=None, is_insecure=False, allowed_hosts=[]).check(request_from(peer))


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {}])
async def test_probes_are_answered_without_a_token_whoever_asks(connect: Connect, headers: dict[str, str]) -> None:
    client = await connect()
    for path in ("/health", "/ready"):
        for method in ("GET", "HEAD"):
            assert (await client.request(method, path, headers=headers)).status == 200


OF_PROXIES = [
    {"Forwarded": "for=10.0.0.5"},
    {"X-Forwarded-For": "10.0.0.5"},
    {"x-forwarded-proto": "https"},
    {"X-Forwarded-Anything": ""},
    {"Via": "1.1 varnish"},
    {"X-Real-IP": "127.0.0.1"},
]


@pytest.mark.parametrize("headers", OF_PROXIES)
async def test_without_a_token_no_proxy_is_answered_unless_insecure(
    connect: Connect, story: Story, headers: dict[str, str]
) -> None:
    await story.begin()
    await story.ask()
    client = await connect(allowed_hosts=["run.example"])
    for host in ("localhost:7331", "run.example"):
        answer = await client.post("/approve/approval", headers={"Host": host} | headers)
        error = (await answer.json())["error"]
        assert (answer.status, error["code"]) == (403, "FORBIDDEN")
        assert next(iter(headers)).lower() in error["message"].lower()
        assert "--auth-token" in error["message"]
    assert await story.store.requests("run-1") == []
    assert (await client.get("/health", headers=headers)).status == 200
    assert (await (await connect(insecure=True)).get("/", headers=headers)).status == 200
    with_token = await connect(auth_token=TOKEN)
    assert (await with_token.get("/", headers=headers | {"x-smithers-key": TOKEN})).status == 200


@pytest.mark.parametrize(
    ("request_line", "more", "status"),
    [
        ("GET / HTTP/1.0", "Connection: close\r\n", 403),  # nginx, where nobody told it to say more
        ("GET / HTTP/1.0", "", 200),
        ("GET / HTTP/1.0", "Connection: keep-alive\r\n", 200),
        ("GET / HTTP/1.1", "Connection: close\r\n", 200),
    ],
)
async def test_a_proxy_that_says_nothing_is_known_by_how_it_asks(
    connect: Connect, story: Story, request_line: str, more: str, status: int
) -> None:
    await story.begin()
    client = await connect()
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(f"{request_line}\r\nHost: localhost\r\n{more}\r\n".encode())
    assert int((await reader.readline()).split()[1]) == status
    writer.close()


LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


async def test_a_link_from_a_chat_opens_but_decides_nothing(connect: Connect, story: Story) -> None:
    await story.begin()
    await story.ask()
    client = await connect()
    for path in ("/", "/approvals", "/nodes"):
        assert (await client.get(path, headers=LINK)).status == 200
    for verb in ("approve/approval", "deny/approval", "cancel"):
        assert (await client.post(f"/{verb}", headers=LINK)).status == 403
    assert (await client.get("/", headers=LINK | {"Sec-Fetch-Dest": "iframe"})).status == 403
    assert (await client.get("/", headers=LINK | {"Sec-Fetch-Mode": "no-cors"})).status == 403
    assert (await client.get("/", headers=LINK | {"Host": "evil.example"})).status == 403
    assert await story.store.requests("run-1") == []
