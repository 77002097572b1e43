"""The suite is the same whoever starts it: a person, nohup, cron or a runner of CI."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.dispositions import ignored_or_blocked

IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGTSTP, signal.SIGUSR1, signal.SIGCHLD)
VARIABLES = {"SMITHERS_STORE": "sqlite:////nowhere/runs.db", "FORCE_COLOR": "1", "COLUMNS": "20", "PGHOST": "nowhere"}


def test_what_a_test_starts_has_inherited_nothing_that_matters() -> None:
    status, _, environment = subprocess.check_output(
        ["sh", "-c", "cat /proc/self/status; echo; echo ENVIRONMENT; env; umask"], text=True
    ).partition("ENVIRONMENT\n")
    assert not ignored_or_blocked(status)
    assert not {line.split("=")[0] for line in environment.splitlines()} & set(VARIABLES)
    assert environment.endswith("\n0022\n")


def test_nor_has_it_where_the_starter_of_the_suite_sets_and_ignores_a_lot() -> None:
    inner = f"{__file__}::{test_what_a_test_starts_has_inherited_nothing_that_matters.__name__}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", inner],
        cwd=Path(__file__).parents[1], env={**os.environ, **VARIABLES}, preexec_fn=_ignore_and_block, umask=0o077,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


def _ignore_and_block() -> None:
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGQUIT})
