"""The server: an address in, a URL out, clear errors, and nothing left behind in forks."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from smithersd.errors import UserError
from smithersd.serve import serving
from tests.serve.conftest import MakeApp
from tests.support.waiting import DEADLINE_S, until_async


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_port_0_takes_a_free_port_and_the_url_reaches_it(make_app: MakeApp, host: str) -> None:
    async with serving(make_app(), host, 0) as server, aiohttp.ClientSession() as http:
        assert server.port > 0
        assert server.url.endswith(f":{server.port}")
        async with http.get(f"{server.url}/health") as answer:
            assert (answer.status, answer.headers["Server"]) == (200, "smithersd")


async def test_a_socket_that_listens_already_is_taken(make_app: MakeApp) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    async with serving(make_app(), "unused", 0, sockets=[listener]) as server, aiohttp.ClientSession() as http:
        assert server.port == listener.getsockname()[1]
        async with http.get(f"{server.url}/health") as answer:
            assert answer.status == 200


async def test_a_unix_socket_is_this_machine(make_app: MakeApp, tmp_path: Path) -> None:
    listener = socket.socket(socket.AF_UNIX)
    path = str(tmp_path / "http.sock")
    listener.bind(path)
    listener.listen()
    listener.setblocking(False)  # noqa: FBT003 - the standard library's own signature
    async with serving(make_app(), "unused", 0, sockets=[listener]) as server:
        assert server.url == f"unix:{path}"
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path)) as http:
            assert (await http.get("http://localhost/health")).status == 200
            assert (await http.get("http://localhost/nodes")).status == 404


async def test_a_port_that_is_taken_is_said_with_what_to_do(make_app: MakeApp) -> None:
    async with serving(make_app(), "127.0.0.1", 0) as server:
        with pytest.raises(UserError, match=f"Port {server.port} on 127.0.0.1 is in use") as refused:
            async with serving(make_app(), "127.0.0.1", server.port):
                pass
        assert refused.value.remedy is not None
        assert "--port" in refused.value.remedy


@pytest.mark.parametrize(
    ("host", "port", "said"),
    [
        ("127.0.0.1", -1, "not a port"),
        ("127.0.0.1", 65_536, "not a port"),
        ("192.0.2.1", 0, "not an address of this machine"),
        ("", 0, "cannot be found"),
        ("a b", 0, "cannot be found"),
    ],
)
async def test_an_address_that_cannot_be_is_said(make_app: MakeApp, host: str, port: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        async with serving(make_app(), host, port):
            pass


async def test_the_port_is_free_as_soon_as_the_server_has_ended(make_app: MakeApp) -> None:
    port = 0
    for _ in range(3):
        async with serving(make_app(), "127.0.0.1", port) as server, aiohttp.ClientSession() as http:
            port = server.port
            assert (await http.get(f"{server.url}/health")).status == 200


_FORKING = """
import asyncio, os, sys, time
from smithersd import create_serve_app, open_store
from smithersd.serve import serving
from tests.serve.workflows import release

async def main():
    async with open_store(sys.argv[1]) as store:
        app = create_serve_app(release, store=store, run_id="run-1", abort=asyncio.Event())
        async with serving(app, "127.0.0.1", 0) as server:
            print(server.port, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
            child = os.fork()
            if child == 0:
                os.closerange(0, 2)
                time.sleep(600)
            print(child, flush=True)
            await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_a_fork_keeps_neither_the_port_nor_a_client(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _FORKING, f"sqlite:///{tmp_path}/runs.db", stdin=-1, stdout=-1
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = int(await process.stdout.readline())
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert await reader.readuntil(b"retry: 1000\n")
    process.stdin.write(b"\n")
    child = int(await process.stdout.readline())
    try:
        os.kill(process.pid, signal.SIGKILL)
        await process.wait()
        os.kill(child, 0)
        # The child lives; what the killed process held is free all the same.
        async with asyncio.timeout(DEADLINE_S):
            await reader.read()

        async def is_free() -> bool:
            with socket.socket() as again:
                again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    again.bind(("127.0.0.1", port))
                    again.listen()
                except OSError:
                    return False
            return True

        assert await until_async(is_free)
    finally:
        os.kill(child, signal.SIGKILL)
        writer.close()
