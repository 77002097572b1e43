"""Bodies: JSON within limits, read one way only, nothing coerced."""

import asyncio
import gzip
import io
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from smithersd.core.json_text import json_text
from smithersd.limits import BODY_BYTES_MAX, JSON_DEPTH_MAX
from smithersd.serve import serving
from smithersd.store.requests import decision_of
from tests.serve.conftest import Client, MakeApp
from tests.serve.story import Story

TOO_LARGE = b'{"note":"' + b"x" * BODY_BYTES_MAX + b'"}'


@pytest.fixture(autouse=True)
async def _approval(story: Story) -> None:
    await story.begin()
    await story.ask()
    await story.abandon()


async def refused(client: Client, story: Story, body: bytes | io.BytesIO, status: int, code: str, **more: Any) -> str:
    answer = await client.post("/approve/approval", data=body, **more)
    told = (await answer.json())["error"]
    assert (answer.status, told["code"]) == (status, code)
    assert await story.store.requests("run-1") == []
    message: str = told["message"]
    return message


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"nope", b" ", b"\0", b"{'note':'x'}", b'{"note":"x"} {}', b"\xff\xfe", b'\xef\xbb\xbf{"note":"x"}',
        b'{"note":"\xe4"}', b'{"note":NaN}', b'{"decision":Infinity}', b'{"decision":-Infinity}', b'{"decision":1e999}',
        b'{"note":"a","note":"b"}', b'{"decision":{"a":1,"a":2}}', b'{"note":"\\ud800"}', b'{"decision":{"\\udc00":1}}',
        b'{"iteration":00}', b'{"note":"tab\tinside"}', b'{"decision":' + b"9" * 5_000 + b"}", b"note=x&decidedBy=y",
        '{"note":"x"}'.encode("utf-16"),
    ],
)  # fmt: skip
async def test_what_is_no_json_is_invalid_json(client: Client, story: Story, body: bytes) -> None:
    await refused(client, story, body, 400, "INVALID_JSON")


@pytest.mark.parametrize(
    "body",
    [
        "null", "[]", "1", '"x"', "true",
        '{"unknown":1}', '{"Note":"x"}', '{"decided_by":"x"}', '{"":1}',
        '{"iteration":true}', '{"iteration":"0"}', '{"iteration":0.0}', '{"iteration":0.5}', '{"iteration":-1}',
        '{"iteration":9223372036854775808}', '{"iteration":[0]}', '{"note":1}',
        '{"note":["x"]}', '{"note":"a\\u0000b"}',
        '{"decidedBy":{}}', '{"decidedBy":false}', '{"decidedBy":"\\u0000"}',
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_an_invalid_request(client: Client, story: Story, body: str) -> None:
    await refused(client, story, body.encode(), 400, "INVALID_REQUEST")


async def test_the_message_names_the_field(client: Client, story: Story) -> None:
    assert "iteration" in await refused(client, story, b'{"iteration":"0"}', 400, "INVALID_REQUEST")
    assert "decidedby" in await refused(client, story, b'{"decidedby":"x"}', 400, "INVALID_REQUEST")
    said = await refused(client, story, b'{"note":"a\\u0000b"}', 400, "INVALID_REQUEST")
    assert said == "The body is not valid: note: must not contain the character NUL."


@pytest.mark.parametrize("depth", [JSON_DEPTH_MAX, 199, 205, 5_000, 200_000])
async def test_what_is_nested_too_deep_is_refused(client: Client, story: Story, depth: int) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        body = b'{"decision":' + opening * depth + b"1" + closing * depth + b"}"
        if len(body) <= BODY_BYTES_MAX:
            await refused(client, story, body, 400, "INVALID_REQUEST")


async def test_what_is_nested_as_deep_as_it_may_be_is_taken(client: Client, story: Story) -> None:
    depth = JSON_DEPTH_MAX - 1
    answer = await client.post("/approve/approval", data=b'{"decision":' + b"[" * depth + b"]" * depth + b"}")
    assert answer.status == 200
    (row,) = await story.store.requests("run-1")
    assert json.dumps(decision_of(row).decision) == "[" * depth + "]" * depth


async def test_a_body_of_exactly_the_limit_is_taken_and_one_byte_more_is_not(client: Client, story: Story) -> None:
    frame = len(b'{"note":""}')
    fitting = b'{"note":"' + b"x" * (BODY_BYTES_MAX - frame) + b'"}'
    await refused(client, story, io.BytesIO(fitting + b" "), 413, "PAYLOAD_TOO_LARGE")
    assert (await client.post("/approve/approval", data=io.BytesIO(fitting))).status == 200


async def test_the_limit_holds_for_bodies_of_unknown_length(client: Client, story: Story) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for start in range(0, len(TOO_LARGE), 65_536):
            yield TOO_LARGE[start : start + 65_536]

    answer = await client.post("/approve/approval", data=parts())
    assert (answer.status, (await answer.json())["error"]["details"]) == (413, {"maxBytes": BODY_BYTES_MAX})
    assert answer.headers["Connection"] == "close"
    assert await story.store.requests("run-1") == []


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "zstd", "nonsense", "identity, gzip"])
async def test_a_compressed_body_is_refused_and_never_unpacked(make_app: MakeApp, story: Story, encoding: str) -> None:
    whole = gzip.compress(b'{"iteration":7}')
    async with serving(make_app(), "127.0.0.1", 0) as server, aiohttp.ClientSession(server.url) as http:
        for body in (whole, whole[:-9], b"{}", b"", gzip.compress(bytes(50_000_000))):
            answer = await http.post("/approve/approval", data=body, headers={"Content-Encoding": encoding})
            assert (answer.status, (await answer.json())["error"]["code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert await story.store.requests("run-1") == []


async def test_an_encoding_that_is_none_is_none(client: Client) -> None:
    assert (await client.post("/approve/approval", data=b"{}", headers={"Content-Encoding": "identity"})).status == 200


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"POST /approve/approval HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999999999\r\n"
        b"Expect: 100-continue\r\n\r\n"
    )
    assert (await reader.readline()).startswith(b"HTTP/1.1 413 ")
    writer.close()
    await writer.wait_closed()


async def test_a_client_that_asks_first_is_told_to_go_on(client: Client, story: Story) -> None:
    answer = await client.post("/approve/approval", data=b'{"note":"x"}', expect100=True)
    assert answer.status == 200
    assert [decision_of(row).note for row in await story.store.requests("run-1")] == ["x"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "image/png", ""])
async def test_json_is_json_whatever_its_content_type(client: Client, content_type: str) -> None:
    answer = await client.post("/approve/approval", data=b'{"note":"x"}', headers={"Content-Type": content_type})
    assert answer.status == 200


@pytest.mark.parametrize("body", ["", "{}", '{"iteration":null,"note":null,"decidedBy":null,"decision":null}', " {} "])
async def test_all_fields_may_be_absent(client: Client, story: Story, body: str) -> None:
    assert (await client.post("/approve/approval", data=body)).status == 200
    (row,) = await story.store.requests("run-1")
    assert (row.node_id, row.iteration, row.sender) == ("approval", 0, None)
    decision = decision_of(row)
    assert (decision.note, decision.decided_by, decision.decision) == (None, None, None)


async def test_cancel_takes_nothing(client: Client, story: Story) -> None:
    for body, code in ((b"{", "INVALID_JSON"), (b'{"x":1}', "INVALID_REQUEST"), (b"[]", "INVALID_REQUEST")):
        answer = await client.post("/cancel", data=body)
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, code)
    assert not (await story.store.run("run-1")).status.is_final


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(
        st.characters(codec="utf-8")
    ),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=20,
)  # fmt: skip


@given(json_values)
def test_a_decision_is_kept_as_it_came(value: Any) -> None:
    assert json.loads(json_text(value)) == value
