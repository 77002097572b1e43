"""The same under uvloop, which is used where it is installed."""

import subprocess
import sys

import pytest

from tests.support.waiting import DEADLINE_S

PROGRAM = """
import asyncio, sys, time, uvloop
from smithersd.executors import *

class Sink:
    def __init__(self):
        self.future = asyncio.get_running_loop().create_future()
    def printed(self, *told):
        lines.append(told)
    def progressed(self, *told):
        lines.append(told)
    def ended(self, outcome):
        self.future.set_result(outcome)

def start(work):
    sink = Sink()
    return executors.start(Call(AttemptInfo("r", "n", 0, 1, None), work, repr), sink), sink.future

async def waits():
    await asyncio.Event().wait()

async def prints():
    print("async")
    task_context().progress(1, 2)
    return 1

def prints_in_thread():
    print("thread")
    time.sleep(0.2)
    return 2

async def main():
    global executors, lines
    executors, lines = Executors(captures_output=True), []
    outcomes = []
    for work in (
        ShellCall("echo x", None, {}), ShellCall("exit 3", None, {}), ShellCall("sleep 0.3 & echo y", None, {}),
        FunctionCall(prints, ()), FunctionCall(prints_in_thread, ()),
    ):
        outcomes.append(await start(work)[1])
    for work in (ShellCall("sleep 100", None, {}), FunctionCall(waits, ())):
        running, future = start(work)
        await asyncio.sleep(0)
        running.stop()
        outcomes.append(await future)
    await executors.close()
    print(*(type(outcome).__name__ for outcome in outcomes))
    print(lines)

uvloop.run(main())
"""


def test_every_kind_of_work_runs_under_uvloop():
    pytest.importorskip("uvloop")

    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], timeout=DEADLINE_S, check=False, capture_output=True, text=True
    )

    assert done.stderr == ""
    outcomes, told = done.stdout.splitlines()
    assert outcomes == "Succeeded Failed Succeeded Succeeded Succeeded Stopped Stopped"
    assert told == str(
        [
            ("x\n", "stdout", False),
            ("y\n", "stdout", False),
            (1, 2, None),
            ("async\n", "stdout", False),
            ("thread\n", "stdout", False),
        ]
    )
