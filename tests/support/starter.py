"""What a process inherits from whoever starts the suite (a person, nohup, cron, a runner of CI), put right."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

_READ_BY_US = re.compile(
    r"SMITHERS_|PG[A-Z]|(NO|FORCE)_COLOR$|COLUMNS$|LINES$|TTY_"  # ours, libpq's, rich's
    r"|PYTHONUNBUFFERED$"  # Python's: a test that wants it sets it
    r"|(NOTIFY_SOCKET|LISTEN_\w+|WATCHDOG_\w+|INVOCATION_ID|JOURNAL_STREAM|CREDENTIALS_DIRECTORY)$"  # systemd's
)
_LOOPBACK = "127.0.0.1,::1,localhost"


@contextmanager
def neutral_start() -> Iterator[None]:
    """Ignore and block no signal, and let no variable say where runs are kept or how things look."""
    environment, mask = dict(os.environ), os.umask(0o022)
    for name in filter(_READ_BY_US.match, environment):
        del os.environ[name]
    for name in ("COLUMNS", "LINES"):
        os.unsetenv(name)  # readline, which pytest imports, sets them behind Python's back
    os.environ.update(no_proxy=_LOOPBACK, NO_PROXY=_LOOPBACK)  # a proxy is for what an installation fetches
    with _signals_at_default():
        yield
    os.umask(mask)
    os.environ.clear()
    os.environ.update(environment)


@contextmanager
def _signals_at_default() -> Iterator[None]:
    """An ignored SIGHUP goes on to end nothing here, but by a handler: so it is at its default in what is started."""
    ignored = {number for number in signal.valid_signals() if signal.getsignal(number) is signal.SIG_IGN}
    ours = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: lambda *_: None}
    for number in ignored - {signal.SIGPIPE, signal.SIGXFSZ}:  # Python ignores them itself, and only here
        signal.signal(number, ours.get(number, signal.SIG_DFL))
    blocked = signal.pthread_sigmask(signal.SIG_SETMASK, ())
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)
