"""A process that outlives us: when we are killed, it ends what the commands of our tasks have started.

The kernel kills a command when its parent dies, but not the command's children, and `sh -c 'make test'` has some. So a
small process waits at a pipe of ours, and is told which attempts of shells run. When we are gone, whatever way, the
pipe ends, and it ends their processes. It is started with the first command: a run without any has none.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from smithersd.config import ATTEMPT_MARK_VARIABLE, STOP_GRACE_S
from smithersd.core.events import NodeStarted, Recorded
from smithersd.core.fold import NodeKey, NodeRecord, RunState
from smithersd.core.states import NodeState
from smithersd.elements import NodeKind
from smithersd.engine import Engine, marked
from smithersd.engine.leftovers import mark_of
from smithersd.log import logger

_log = logger(__name__)

_END_S = 1.0
"""How long it may take to end when it has nothing to do."""


@contextmanager
def guarded(engine: Engine) -> Iterator[None]:
    """Guard the commands of a run while the `with` lasts; at its end there are none."""
    guard = _Guard(engine.state)
    engine.observe(guard.follow)
    try:
        yield
    finally:
        guard.dismiss()


class _Guard:
    def __init__(self, run: RunState) -> None:
        self._run = run
        self._marks: dict[NodeKey, str] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: int | None = None

    def follow(self, recorded: Sequence[Recorded]) -> None:
        """Take in the events of a step, before the attempts that it starts begin."""
        started = [one.event for one in recorded if isinstance(one.event, NodeStarted)]
        keys = (*self._marks, *((event.node_id, event.iteration) for event in started))
        nodes = [node for node in map(self._run.nodes.__getitem__, keys) if _runs_command(node)]
        marks = {node.key: mark_of(self._run, node.key, node.attempt) for node in nodes}
        if marks != self._marks:
            self._marks = marks
            self._tell()

    def dismiss(self) -> None:
        """Let it go with nothing to do, and wait for its end."""
        self._marks.clear()
        if self._pipe is None or self._process is None:
            return
        self._tell()
        _pipes.discard(self._pipe)
        os.close(self._pipe)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)

    def _tell(self) -> None:
        if self._pipe is None:
            self._start()
        if self._pipe is not None:
            with suppress(OSError):  # somebody has killed it: then there is none
                os.write(self._pipe, json.dumps(list(self._marks.values())).encode() + b"\n")

    def _start(self) -> None:
        reading, self._pipe = os.pipe()
        os.set_blocking(self._pipe, False)
        _pipes.add(self._pipe)
        command = [sys.executable, "-I", "-S", marked.__file__, ATTEMPT_MARK_VARIABLE, str(STOP_GRACE_S)]
        try:
            # Of what we have it gets nothing: no environment, no folder, no descriptor, no terminal.
            self._process = subprocess.Popen(  # noqa: S603 - ourselves
                command, stdin=reading, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={}, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            _log.warning("What commands start will outlive a kill of this process: no guard can be started: %s", error)
        finally:
            os.close(reading)


def _runs_command(node: NodeRecord) -> bool:
    return node.kind is NodeKind.SHELL and node.state is NodeState.IN_PROGRESS


_pipes: set[int] = set()


def _close_in_child() -> None:
    """A forked worker of a task must not keep the pipe open after we were killed."""
    for pipe in _pipes:
        with suppress(OSError):
            os.close(pipe)
    _pipes.clear()


os.register_at_fork(after_in_child=_close_in_child)
