"""The guard: a process that outlives this one, and ends the processes of the run when this one has ended in any way.

The kernel kills a command when its parent dies, but not the command's children, and `sh -c 'make test'` has some; nor
does it end the workers of a task's process pool. So a small process reads a pipe, through which this process sends the
tags of the running shell attempts, the tag of everything that it starts, and the pid of each process that is forked.
When the pipe is closed, the guard ends them. It is started with the first attempt: a run that only waits has none.

What a finished run left running on purpose stays; its forked workers are ended, since they have nothing to do.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from smithersd.core.kinds.registry import node_kind_named
from smithersd.core.log.events import NodeStarted, Recorded
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import NodeState, RunStatus
from smithersd.engine import Engine
from smithersd.engine.attempts.orphans import tag_of
from smithersd.limits import DRIVER_TAG_VARIABLE, STOP_GRACE_S
from smithersd.loggers import logger
from smithersd.posix.process import tagged
from smithersd.posix.process.forks import after_fork_in_child, keep_from_forks
from smithersd.posix.process.identity import this_process

_log = logger(__name__)

_END_S = 2 * STOP_GRACE_S
"""How long to wait at the end for the guard to end the remaining processes."""


@asynccontextmanager
async def guarded(engine: Engine) -> AsyncIterator[None]:
    """Guard what a run starts while the `with` lasts; at its end no process of a stopped run is left."""
    guard = _GuardProcess(engine.state)
    engine.observe(guard.follow)
    variable, _, value = guard.driver_tag.partition("=")
    os.environ[variable] = value
    try:
        yield
    finally:
        del os.environ[variable]
        await asyncio.to_thread(guard.dismiss, has_finished=engine.state.status is RunStatus.FINISHED)


class _GuardProcess:
    def __init__(self, run: RunState) -> None:
        process = this_process()
        self.driver_tag = f"{DRIVER_TAG_VARIABLE}={run.run_id}/{process.pid}/{process.start_time}"
        self._run = run
        self._shells: dict[NodeKey, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None
        after_fork_in_child(self._register_child)
        keep_from_forks(self._descriptors)  # a fork that had the pipe would keep it open after a kill

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Send the tags of a step's attempts to the guard, before they start."""
        started = [event for event in (entry.event for entry in recorded) if isinstance(event, NodeStarted)]
        keys = (*self._shells, *((event.node_id, event.iteration) for event in started))
        nodes = [node for node in map(self._run.nodes.__getitem__, keys) if _runs_command(node)]
        shells = {node.key: tag_of(self._run, node.key, node.attempt) for node in nodes}
        if shells != self._shells or (started and self._pipe is None):
            self._shells = shells
            self._send([self.driver_tag, *shells.values()])

    def dismiss(self, *, has_finished: bool) -> None:
        """Close the pipe, so that the guard ends what is left, and wait for that."""
        if self._pipe is None or self._process is None:
            return
        if has_finished:
            self._send([])
        os.close(self._pipe)
        self._pipe = None
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def _send(self, tags: list[str]) -> None:
        if self._pipe is None:
            self._start()
        if self._pipe is not None:
            with suppress(OSError):  # somebody has killed the guard
                os.write(self._pipe, json.dumps(tags).encode() + b"\n")

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        command = [sys.executable, "-I", "-S", tagged.__file__, str(STOP_GRACE_S)]
        try:
            # It inherits no environment, working directory, descriptor or terminal.
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            _log.warning(
                "The guard process cannot be started; if this process is killed, its commands go on: %s", error
            )
        finally:
            os.close(reading)

    def _register_child(self) -> None:
        """Register a forked child with the guard."""
        for pipe in self._descriptors():
            with suppress(OSError):
                os.write(pipe, b"%d\n" % os.getpid())

    def _descriptors(self) -> tuple[int, ...]:
        return () if self._pipe is None else (self._pipe,)


def _runs_command(node: NodeRecord) -> bool:
    return node_kind_named(node.kind).has_process and node.state is NodeState.IN_PROGRESS
