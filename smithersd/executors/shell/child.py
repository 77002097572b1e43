"""A child process in a session of its own: started, signalled as a group, and watched without a thread."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType

from smithersd.executors.loop_bridge import LoopBridge
from smithersd.executors.shell.program import check_program
from smithersd.posix.process.parent_death import with_parent_death_signal

POLL_S = 0.02
"""How often to look whether a child has ended where the kernel has no pidfds."""

SIGNALLED_CODE = 128
"""What shells add to the number of the signal that ended a command."""

EXIT_CODE_UNKNOWN = 256
"""Stands for the exit code of a child that somebody else waited for; no real code is so large."""


class Child:
    """A process that leads its own session, so that signals reach its whole group and the terminal does not.

    Only this class waits for it: until then its pid cannot be reused. The standard Popen reports exit code 0 for a
    child that something else has waited for; this class does not.
    """

    def __init__(self, argv: tuple[str, ...], cwd: str | None, env: Mapping[str, str], bridge: LoopBridge) -> None:
        """Start the process.

        Raises:
            OSError: it cannot be started; the message says why.
            ValueError: the command is empty, or an argument has a NUL.
            TypeError: an argument is not a text.
        """
        whole_env = {**os.environ, **env}
        check_program(argv, cwd, whole_env)
        with _signals_at_default():
            self._popen = subprocess.Popen(  # noqa: S603 - the author's own command
                with_parent_death_signal(argv),
                cwd=cwd,
                env=whole_env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        self.pid = self._popen.pid
        self.code: int | None = None
        self._bridge = bridge
        self._pidfd: int | None = None
        self._on_exit: Callable[[], None] | None = None

    @property
    def pipes(self) -> tuple[int, int]:
        """The descriptors of its stdout and stderr, set to non-blocking."""
        assert self._popen.stdout is not None
        assert self._popen.stderr is not None
        pipes = self._popen.stdout.fileno(), self._popen.stderr.fileno()
        for pipe in pipes:
            os.set_blocking(pipe, False)
        return pipes

    def watch(self, on_exit: Callable[[], None]) -> None:
        """Call `on_exit` once in the loop's thread, when the process has ended and `code` is known."""
        self._on_exit = on_exit
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # another system, a sandbox, or somebody else waited for it already
            self._poll()
        else:
            self._bridge.loop.add_reader(self._pidfd, self.reap)

    def reap(self) -> bool:
        """Return whether the process has ended; if so, `code` is known from now on."""
        if self.code is not None:
            return True
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self.code = EXIT_CODE_UNKNOWN
        else:
            if pid == 0:
                return False
            self.code = os.waitstatus_to_exitcode(status)
        self._on_end()
        return True

    def signal_group(self, signum: signal.Signals) -> None:
        """Send a signal to every process that is left of the group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signum)

    def terminate_group(self) -> None:
        """Send SIGTERM to every process of the group."""
        self.signal_group(signal.SIGTERM)
        self.signal_group(signal.SIGCONT)  # a stopped process could not end

    @property
    def exit_code(self) -> int | None:
        """What a shell would have in `$?`: 128 + n after signal n. None: it has not ended, or the code is unknown."""
        if self.code is None or self.code == EXIT_CODE_UNKNOWN:
            return None
        return self.code if self.code >= 0 else SIGNALLED_CODE + abs(self.code)

    def end_in_words(self) -> str:
        """Return how the process ended, as the rest of a sentence: "ended with exit code 1"."""
        match self.code:
            case None:
                return "has not ended"
            case code if code == EXIT_CODE_UNKNOWN:
                return "ended, but other code in this process waited for it, so its exit code is unknown"
            case code if code < 0:
                return f"was ended by {_signal_name(-code)}"
            case code:
                return f"ended with exit code {code}"

    def is_group_left(self) -> bool:
        """Return whether the group still has a process, after its leader's end."""
        # If this process is process 1, as in a container, it inherits orphans and has to reap them.
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-self.pid, os.WNOHANG)[0] != 0:
                pass
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # there is one, and it belongs to another user
        return True

    def close_pipes(self) -> None:
        """Close this end of stdout and stderr."""
        for pipe in (self._popen.stdout, self._popen.stderr):
            if pipe is not None:
                pipe.close()

    def _on_end(self) -> None:
        self._popen.returncode = self.code  # so that Popen does not wait for it when it is thrown away
        if self._pidfd is not None:
            self._bridge.loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = None
        if self._on_exit is not None:
            self._on_exit()

    def _poll(self) -> None:
        if not self.reap():
            self._bridge.later(POLL_S, self._poll)


@contextlib.contextmanager
def _signals_at_default() -> Iterator[None]:
    """Start children in the `with` with no signal ignored or blocked.

    A child inherits both: a daemon, for example, ignores the terminal's stop signals. A signal with a handler is at its
    default after exec, so each ignored signal gets, for this while, a handler that does nothing. SIGHUP stays ignored:
    nohup is meant for the children too.
    """
    ignored = _ignored_signals() if threading.current_thread() is threading.main_thread() else ()
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for signum in ignored:
        signal.signal(signum, _do_nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for signum in ignored:
            signal.signal(signum, signal.SIG_IGN)


def _ignored_signals() -> tuple[signal.Signals, ...]:
    # The interpreter ignores SIGPIPE and SIGXFSZ itself, and Popen restores them in the child.
    kept = {signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ}
    return tuple(
        signum for signum in signal.Signals if signum not in kept and signal.getsignal(signum) is signal.SIG_IGN
    )


def _do_nothing(_signum: int, _frame: FrameType | None) -> None:
    pass


def _signal_name(signum: int) -> str:
    try:
        return signal.Signals(signum).name
    except ValueError:  # a real-time signal
        return f"signal {signum}"
