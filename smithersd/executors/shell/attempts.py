"""Run attempts of shell commands."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeGuard

from smithersd.core.flow.work import ShellCall, Work
from smithersd.errors import InvalidOutput, ShellFailed
from smithersd.executors.attempt import Attempt
from smithersd.executors.call import STDERR, STDOUT, Running, Stopped, Succeeded
from smithersd.executors.executor import Executor
from smithersd.executors.large_json import large_json
from smithersd.executors.postponed import Postponed
from smithersd.executors.shell.child import Child
from smithersd.executors.shell.output import ShellOutput
from smithersd.limits import DRIVER_TAG_VARIABLE, STOP_GRACE_S
from smithersd.posix.process.tagged import end_tagged
from smithersd.posix.shortage import is_shortage

READ_BYTES: Final = 64 * 1024
"""How much one read takes: no more than a pipe holds by default, so that no command starves the loop."""

PIPE_BYTES_MAX: Final = 1024 * 1024
"""The most that a pipe can hold."""

DRAIN_S: Final = 0.5
"""How long a process that the command left in the background may keep its output open after the command's end."""

GROUP_POLL_FIRST_S: Final = 0.01
GROUP_POLL_MAX_S: Final = 0.1
"""How often to look whether the processes of a stopped command have ended."""


def takes_command(work: Work) -> TypeGuard[ShellCall]:
    """Return whether work is a command."""
    return isinstance(work, ShellCall)


def begin_shell(attempt: Attempt, work: ShellCall, encode: Callable[[Any], str]) -> Running:
    """Start the command. If it cannot be started the attempt fails soon, or waits if only resources are short."""
    # Readers run in the context in which they are added, which has to be the engine's.
    return attempt.shared.bridge.fresh_context().run(
        _start_or_postpone, partial(_start, work, attempt, encode), attempt
    )


def _start_or_postpone(start: Callable[[], Running], attempt: Attempt) -> Running:
    try:
        return start()
    except Exception as error:
        if is_shortage(error):
            return Postponed(attempt, start, error)
        raise


def _start(work: ShellCall, attempt: Attempt, encode: Callable[[Any], str]) -> Running:
    argv = ("/bin/sh", "-c", work.command) if isinstance(work.command, str) else work.command
    try:
        child = Child(argv, work.cwd, _tagged_env(work), attempt.shared.bridge)
    except Exception as error:
        if is_shortage(error):
            raise
        # OSError, or an argument that no process can have.
        failure = ShellFailed(f"The command of {attempt.info.node_id!r} cannot be started: {error}.")
        attempt.shared.bridge.run_in_loop(attempt.fail, failure)
        return _NeverStarted(attempt)
    run = ShellRun(child, attempt, encode, work)
    run.start()
    return run


def _tagged_env(work: ShellCall) -> Mapping[str, str]:
    """Return the command's environment with its attempt's tag, and without the driver's.

    So what the command left in the background on purpose is not ended with the driver.
    """
    if work.tag is None:
        return work.env
    variable, _, value = work.tag.partition("=")
    return {**work.env, variable: value, DRIVER_TAG_VARIABLE: ""}


class _NeverStarted:
    """An attempt whose command could not be started; its failure will be reported in the loop's next turn."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    def stop(self) -> None:
        self._attempt.is_stop_requested = True

    def abandon(self) -> None:
        self._attempt.abandon()


class ShellRun:
    """One attempt as a process group, whose output and end are watched in the loop, without a thread.

    It ends when the command has ended and its output is closed. Processes that the command left in the background may
    keep the output open: after DRAIN_S they are ignored. A stopped attempt ends only when the whole group and all
    processes with its tag in other sessions have ended: the next attempt must not run beside them.
    """

    def __init__(self, child: Child, attempt: Attempt, encode: Callable[[Any], str], work: ShellCall) -> None:
        self._child = child
        self._attempt = attempt
        self._shared = attempt.shared
        self._encode = encode
        self._output = ShellOutput(needs_whole_stdout=work.needs_whole_stdout, mask=attempt.mask)
        self._tags = () if work.tag is None else (work.tag,)
        self._streams: dict[int, str] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._is_stopped = False
        self._is_over = False
        self._sweeps = 0

    def start(self) -> None:
        """Watch the output and the end of the process."""
        self._shared.registry.add(self)
        self._streams = dict(zip(self._child.pipes, (STDOUT, STDERR), strict=True))
        for pipe in self._streams:
            self._shared.bridge.loop.add_reader(pipe, self._read, pipe)
        self._child.watch(self._exited)

    @property
    def is_end_awaited(self) -> bool:
        """True: nothing survives SIGKILL."""
        return True

    def stop(self) -> None:
        """Send SIGTERM to the group, unless the command has ended: its result is kept."""
        if self._attempt.is_stop_requested:
            return
        self._attempt.is_stop_requested = True
        if self._child.reap():
            self._finish()
        else:
            self._is_stopped = True
            self._child.terminate_group()

    def abandon(self) -> None:
        """Send SIGKILL to the group, and wait only for its leader's end."""
        self._attempt.abandon()
        if not self._is_over:
            self._child.signal_group(signal.SIGKILL)
            self._sweep(0.0, self._discard_when_ended)
            self._release()

    def _exited(self) -> None:
        if self._is_over:
            self._discard_when_ended()
        elif self._is_terminated:
            self._await_group(GROUP_POLL_FIRST_S)
        elif self._streams:
            self._after(DRAIN_S, self._finish)
        else:
            self._finish()

    @property
    def _is_terminated(self) -> bool:
        return self._is_stopped or self._output.is_too_much

    def _read(self, pipe: int) -> None:
        try:
            data = os.read(pipe, READ_BYTES)
        except BlockingIOError:
            return
        if data:
            self._take(data, self._streams[pipe])
            return
        self._shared.bridge.loop.remove_reader(pipe)
        del self._streams[pipe]
        if not self._streams and self._child.code is not None and not self._is_terminated:
            self._finish()

    def _take(self, data: bytes, stream: str) -> None:
        was_too_much = self._output.is_too_much
        self._output.add(data, stream)
        self._attempt.output_buffer.add_bytes(data, stream)
        if self._output.is_too_much and not was_too_much:
            self._child.terminate_group()
            self._after(STOP_GRACE_S, self._kill)

    def _kill(self) -> None:
        self._child.signal_group(signal.SIGKILL)
        self._sweep(0.0, self._finish)

    def _await_group(self, delay_s: float) -> None:
        if self._child.is_group_left():
            self._after(delay_s, self._await_group, min(2 * delay_s, GROUP_POLL_MAX_S))
        else:
            self._sweep(STOP_GRACE_S, self._finish)

    def _sweep(self, grace_s: float, then: Callable[[], None]) -> None:
        """End what the command has started in sessions of its own; call `then` in the loop's thread."""
        if not self._tags:
            then()
            return
        self._sweeps += 1

        def swept() -> None:
            self._sweeps -= 1
            then()

        def sweep() -> None:
            try:
                end_tagged(self._tags, grace_s)
            finally:
                self._shared.bridge.run_in_loop(swept)

        self._shared.pool.submit(sweep)

    def _after(self, delay_s: float, callback: Callable[..., None], *args: Any) -> None:
        self._timers.append(self._shared.bridge.later(delay_s, callback, *args))

    def _finish(self) -> None:
        if self._is_over:
            return
        for pipe, stream in self._streams.items():
            self._take_rest(pipe, stream)
        self._release()
        if self._is_stopped:
            self._attempt.end(Stopped())
        elif self._output.is_too_much:
            self._attempt.fail(InvalidOutput(self._output.too_much_message(self._attempt.info.node_id)))
        elif self._child.code == 0:
            self._succeed()
        else:
            self._attempt.fail(ShellFailed(self._failure(), exit_code=self._child.exit_code))

    def _take_rest(self, pipe: int, stream: str) -> None:
        """Take what the command wrote just before its end, in case the loop was blocked since then."""
        try:
            data = os.read(pipe, PIPE_BYTES_MAX)
        except BlockingIOError:
            return
        self._output.add(data, stream)
        self._attempt.output_buffer.add_bytes(data, stream)

    def _release(self) -> None:
        """Release timers and pipes, but still wait for the process, which would stay as a zombie."""
        self._is_over = True
        for timer in self._timers:
            timer.cancel()
        for pipe in self._streams:
            self._shared.bridge.loop.remove_reader(pipe)
        self._child.close_pipes()
        self._discard_when_ended()

    def _discard_when_ended(self) -> None:
        if self._child.code is not None and not self._sweeps:
            self._shared.registry.discard(self)

    def _succeed(self) -> None:
        if self._output.is_large:
            self._shared.pool.submit(self._encode_in_thread)
            return
        try:
            output = self._encode(self._output.stdout())
        except BaseException as error:  # noqa: BLE001 - the author's output type may raise anything
            self._attempt.fail(error)
        else:
            self._attempt.end(Succeeded(output))

    def _encode_in_thread(self) -> None:
        try:
            with large_json():
                output = self._encode(self._output.stdout())
        except BaseException as error:  # noqa: BLE001 - reported as the outcome; the thread has other jobs to run
            self._shared.bridge.run_in_loop(self._attempt.fail, error)
        else:
            self._shared.bridge.run_in_loop(self._attempt.end, Succeeded(output))

    def _failure(self) -> str:
        tail = self._output.tail()
        end = self._child.end_in_words()
        return f"The command of {self._attempt.info.node_id!r} {end}" + (f":\n{tail}" if tail else ".")


SHELL = Executor("command", takes_command, begin_shell)
