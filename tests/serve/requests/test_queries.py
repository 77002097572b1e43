"""Query parameters: strict numbers within bounds, nothing unknown, nothing twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smithersd.serve.queries import INT64_MAX, integer_of
from tests.serve.conftest import Client
from tests.serve.story import Story, pending

NO_NUMBERS = [
    "",
    "x",
    "8abc",
    "1.0",
    "1e3",
    "+1",
    " 1",
    "1 ",
    "0x10",
    "1_000",
    "٣",
    "²",
    "--1",
    "-",
    "NaN",
    "1\n",
    "%FF",
]


@pytest.fixture(autouse=True)
async def _run(story: Story) -> None:
    await story.begin(pending("a"), story.frame({"kind": "task", "id": "a"}))


@pytest.mark.parametrize(
    "path", ["/events?afterSeq=", "/frames?limit=", "/frames?afterFrameNo=", "/nodes?limit=", "/nodes/a?iteration="]
)
@pytest.mark.parametrize("text", [*NO_NUMBERS, "-2", "99999999999999999999", "9223372036854775808", "9" * 4_500])
async def test_a_number_is_ascii_digits_within_bounds(client: Client, path: str, text: str) -> None:
    answer = await client.get(f"{path}{text}".replace("+", "%2B").replace(" ", "%20").replace("\n", "%0A"))
    assert answer.status == 400
    assert answer.content_type == "application/json"
    assert (await answer.json())["error"]["code"] == "INVALID_REQUEST"


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=-1", "afterFrameNo=-1"])
async def test_bounds_of_frames(client: Client, query: str) -> None:
    assert (await client.get(f"/frames?{query}")).status == 400


@pytest.mark.parametrize("query", ["limit=1", "limit=1000", "afterFrameNo=0", "afterFrameNo=9223372036854775807", ""])
async def test_what_lies_within_is_taken(client: Client, query: str) -> None:
    assert (await client.get(f"/frames?{query}")).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/?x=1", "/events?afterseq=1", "/events?after=1", "/frames?after=1", "/frames?limit=1&limit=1", "/nodes?x",
        "/nodes/a?iteration=0&iteration=0", "/approvals?limit=1", "/events?afterSeq=0&afterSeq=1",
    ],
)  # fmt: skip
async def test_what_is_unknown_or_comes_twice_is_refused(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status, (await answer.json())["error"]["code"]) == (400, "INVALID_REQUEST")


async def test_an_unknown_parameter_of_a_decision_decides_nothing(client: Client, story: Story) -> None:
    await story.ask()
    assert (await client.post("/approve/approval?note=x")).status == 400
    assert (await client.post("/cancel?force=1")).status == 400
    assert await story.store.requests("run-1") == []


@pytest.mark.parametrize("path", ["/health?x=1", "/ready?x=1", "/metrics?x=1"])
async def test_probes_and_scrapers_may_send_what_they_like(client: Client, path: str) -> None:
    assert (await client.get(path)).status == 200


@given(st.text(max_size=25))
def test_a_text_is_a_number_only_if_python_writes_it_so(text: str) -> None:
    number = integer_of(text)
    if number is not None:
        assert text.lstrip("-").lstrip("0") == str(abs(number)).lstrip("0")
        assert abs(number) <= INT64_MAX


@given(st.integers(-INT64_MAX, INT64_MAX))
def test_every_number_of_64_bits_can_be_given(number: int) -> None:
    assert integer_of(str(number)) == number
