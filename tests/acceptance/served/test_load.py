"""Three hundred clients and many strangers before one run, which is suspended twice and killed once."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import suppress

import aiohttp
import pytest

from smithersd.core.log.states import NodeState
from tests.support.place import Place
from tests.support.ports import free_port
from tests.support.streaming import Message, read_messages
from tests.support.waiting import DEADLINE_S, until

CLIENTS = 300
IDLE_CONNECTIONS = 1_200
BOMBS = 60
STEPS = 40
TOKEN = "sk-load"
SILENCE_S_MAX = 0.5

FLOW = f"""
async def work(name):
    await asyncio.sleep(0.2)
    with open("effects", "a") as file: file.write(name + "\\n")

async def wait_for_go():
    while not Path("go").exists():
        await asyncio.sleep(0.02)

@workflow
def steps(ctx):
    pairs = (
        Parallel(
            Task(f"task-{{n}}", work, f"task-{{n}}"), Shell(f"shell-{{n}}", f"sleep 0.2; echo shell-{{n}} >> effects")
        )
        for n in range({STEPS})
    )
    return Sequence(*pairs, Task("last", wait_for_go))
"""


def strangers(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.strangers", *map(str, arguments)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def said_at_the_end(program: subprocess.Popen[str]) -> str:
    return program.communicate(timeout=DEADLINE_S)[0]


async def follow(http: aiohttp.ClientSession, url: str) -> list[Message]:
    """Follow the run to its end as a good client does, over every cut."""
    found: list[Message] = []
    while not (found and "RunFinished" in found[-1].data):
        with suppress(aiohttp.ClientError, asyncio.IncompleteReadError, ConnectionError):
            last_seq = found[-1].seq if found else -1
            async with http.get(f"{url}/events", params={"afterSeq": last_seq}) as response:
                assert response.status in {200, 503}
                while response.status == 200:
                    new = await read_messages(response, count=1)
                    if not new:
                        break
                    found += new
        await asyncio.sleep(0.05)
    return found


def live(place: Place, port: int, *, ends_by: signal.Signals | None) -> float:
    """One life of the run's process: strangers do what they can while a part of the run is done.

    Returns for how many seconds of the process's work /health was silent at most.
    """
    goal = min(len(set(place.lines("effects"))) + STEPS // 2, 2 * STEPS)
    up = place.up(
        "--run-id", "r", "--resume-or-start", "--serve", "--port", str(port), "-c", "4", SMITHERS_API_KEY=TOKEN
    )  # fmt: skip
    assert up.url
    probe = strangers("probe", port, up.popen.pid)
    holding = strangers("hold", port, IDLE_CONNECTIONS)
    bombs = strangers("bomb", port, BOMBS)
    assert set(json.loads(said_at_the_end(bombs))) == {"401"}
    until(lambda: len(set(place.lines("effects"))) >= goal or up.popen.poll() is not None, "progress")
    silence_s = float(said_at_the_end(probe))
    if ends_by is None:
        (place.folder / "go").touch()
        up.until_text("Run finished")
    else:
        up.signal(ends_by)
        assert up.wait() == {signal.SIGTERM: 143, signal.SIGKILL: -9}[ends_by]
    assert int(said_at_the_end(holding)) == IDLE_CONNECTIONS
    return silence_s


async def follow_through_all_lives(place: Place, port: int) -> tuple[list[list[Message]], list[float]]:
    """Return what each client got, and how long /health was silent in each life."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=None, sock_read=60),
        headers={"x-smithers-key": TOKEN},
    ) as http:
        clients = [asyncio.create_task(follow(http, f"http://127.0.0.1:{port}")) for _ in range(CLIENTS)]
        silences_s = [
            await asyncio.to_thread(live, place, port, ends_by=ends_by)
            for ends_by in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM, None)
        ]
        async with asyncio.timeout(DEADLINE_S):
            return await asyncio.gather(*clients), silences_s


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_run_goes_on_undisturbed_before_a_crowd_of_clients_and_strangers(place: Place) -> None:
    place.write(FLOW)
    followed, silences_s = asyncio.run(follow_through_all_lives(place, free_port()))

    log = place.log("r")
    assert {node.state for node in place.state("r").nodes.values()} == {NodeState.FINISHED}
    assert not {"NodeFailed", "NodeRetrying"} & set(place.types("r"))
    assert all([message.seq for message in found] == list(range(len(log))) for found in followed)
    assert max(silences_s) < SILENCE_S_MAX, silences_s
