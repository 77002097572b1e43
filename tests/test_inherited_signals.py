"""The suite is the same whoever starts it: a person, nohup, cron or a runner of CI."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.dispositions import ignored_or_blocked

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1, signal.SIGCHLD)


def test_no_signal_is_ignored_or_blocked_in_what_a_test_starts() -> None:
    assert not ignored_or_blocked(subprocess.check_output(["cat", "/proc/self/status"], text=True))


def test_nor_is_one_that_the_starter_of_the_suite_ignores_or_blocks() -> None:
    inner = f"{__file__}::{test_no_signal_is_ignored_or_blocked_in_what_a_test_starts.__name__}"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", inner]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        preexec_fn=_ignore_and_block,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def _ignore_and_block() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGQUIT})
