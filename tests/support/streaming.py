"""Reading event streams the way clients do."""

from dataclasses import dataclass

import aiohttp
from aiohttp import ClientResponse

from tests.serve.conftest import Client


@dataclass(frozen=True, slots=True)
class Message:
    """An event as a client sees it."""

    seq: int
    data: str


async def read_messages(response: ClientResponse, *, count: int | None = None) -> list[Message]:
    """Read whole frames until the stream ends, or until there are `count`; comments and `retry:` are passed over."""
    messages: list[Message] = []
    while count is None or len(messages) < count:
        frame = (await response.content.readuntil(b"\n\n")).decode()
        while frame.startswith((":", "retry: ")):
            frame = frame.partition("\n")[2]
        if not frame:
            break
        name, data, seq, *rest = frame.split("\n")
        assert (name, rest) == ("event: smithers", ["", ""])
        assert seq.startswith("id: ")
        assert data.startswith("data: ")
        messages.append(Message(int(seq[4:]), data[6:]))
    return messages


async def stream(client: Client, query: str = "", *, count: int | None = None, **headers: str) -> list[Message]:
    """Open /events and read."""
    timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
    async with client.get(f"/events{query}", headers=headers, timeout=timeout) as response:
        assert response.status == 200, await response.text()
        return await read_messages(response, count=count)


async def seqs(client: Client, query: str = "", *, count: int | None = None, **headers: str) -> list[int]:
    """Open /events and read the seqs."""
    return [message.seq for message in await stream(client, query, count=count, **headers)]
