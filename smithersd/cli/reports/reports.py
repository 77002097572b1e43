"""The reports of a process: to the terminal, to a log, or to both."""

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from smithersd.cli.reports.log_report import LogReport
from smithersd.cli.reports.plain import PlainReport
from smithersd.cli.terminal.streams import Streams
from smithersd.core.log.events import Recorded
from smithersd.daemon.launch.environment import Inherited
from smithersd.daemon.options import LogFormat, ServiceOptions
from smithersd.daemon.report import Report, StandingBy, StartedRun
from smithersd.daemon.systemd.report import SystemdReport
from smithersd.loggers import logger
from smithersd.posix.sd_notify import Notifier
from smithersd.posix.system_journal import is_journal
from smithersd.query.approvals import PendingApproval

_LOGGER = "smithersd"


def choose_log(options: ServiceOptions, streams: Streams) -> LogReport | None:
    """Return the log of a process in the foreground: the named file, else stderr for a format or the journal."""
    log_format = options.log_format or LogFormat.HUMAN
    if options.log_file is not None:
        path = options.log_file
        return LogReport(lambda _: path, log_format)
    if options.log_format is None and not is_journal(streams.err):
        return None
    return _log_on_stderr(streams, log_format)


@contextmanager
def choose_report(
    options: ServiceOptions, log: LogReport | None, inherited: Inherited, streams: Streams
) -> Iterator[Report]:
    """Report to `streams`, to the log and to a service manager while the `with` lasts.

    If the log goes to stderr, nothing else is printed. The service manager is last: READY=1 comes after all other
    reports.
    """
    reports: list[Report] = [] if log is None else [log]
    if log is None or options.log_file is not None:
        reports.insert(0, _report_to_reader(streams))
    if inherited.notify_address is not None:
        reports.append(SystemdReport(Notifier(inherited.notify_address), inherited.watchdog_s))
    with reporting(reports, is_debugging=options.is_debugging) as report:
        yield report


@contextmanager
def reporting(reports: Sequence[Report], *, is_debugging: bool = False) -> Iterator[Report]:
    """Report to all of these while the `with` lasts, and send them what smithersd logs.

    A terminal shows the tracebacks of tasks only with `is_debugging`; a log always contains them.
    """
    handlers = [_handler_of(report, is_debugging=is_debugging) for report in reports]
    ours = logger(_LOGGER)
    level = ours.level
    ours.setLevel(min(handler.level for handler in handlers))
    for handler in handlers:
        ours.addHandler(handler)
    ours.propagate = False  # so that the author's root logger does not repeat it
    report = _Reports(reports)
    try:
        yield report
    finally:
        ours.propagate = True
        for handler in handlers:
            ours.removeHandler(handler)
        ours.setLevel(level)
        report.close()


class _Reports:
    """Several reports as one."""

    def __init__(self, reports: Sequence[Report]) -> None:
        self._reports = reports

    def warn(self, text: str) -> None:
        for report in self._reports:
            report.warn(text)

    def wait_for_store(self, problem: str | None) -> None:
        for report in self._reports:
            report.wait_for_store(problem)

    def stand_by(self, waiting: StandingBy) -> None:
        for report in self._reports:
            report.stand_by(waiting)

    def begin(self, started_run: StartedRun) -> None:
        for report in self._reports:
            report.begin(started_run)

    def show(self, recorded: Sequence[Recorded]) -> None:
        for report in self._reports:
            report.show(recorded)

    def ask(self, approval: PendingApproval) -> None:
        for report in self._reports:
            report.ask(approval)

    def reload(self) -> None:
        for report in self._reports:
            report.reload()

    def end(self, *, is_still_served: bool, result: str | None) -> None:
        for report in self._reports:
            report.end(is_still_served=is_still_served, result=result)

    def close(self) -> None:
        for report in self._reports:
            report.close()

    def release(self) -> None:
        for report in self._reports:
            report.release()


def _report_to_reader(streams: Streams) -> Report:
    """Return the report for stdout: for a terminal, the system's journal, or a pipe."""
    if _is_terminal(streams):
        return _live_report(streams)
    return _log_on_stderr(streams, LogFormat.HUMAN) if is_journal(streams.err) else PlainReport(streams)


def _log_on_stderr(streams: Streams, log_format: LogFormat) -> LogReport:
    return LogReport(lambda _: None, log_format, streams.err)


def _is_terminal(streams: Streams) -> bool:
    return streams.out is not None and streams.out.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _live_report(streams: Streams) -> Report:
    from smithersd.cli.reports.live import LiveReport  # noqa: PLC0415 - brings rich, which only a terminal needs

    return LiveReport(streams)


def _handler_of(report: Report, *, is_debugging: bool) -> logging.Handler:
    if isinstance(report, LogReport):
        return _LogHandler(report)
    return _TerminalHandler(report, logging.INFO if is_debugging else logging.WARNING)


class _TerminalHandler(logging.Handler):
    """A handler that shows warnings on a terminal, and nothing below."""

    def __init__(self, report: Report, level: int) -> None:
        super().__init__(level)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.warn(self.format(record))


class _LogHandler(logging.Handler):
    def __init__(self, report: LogReport) -> None:
        super().__init__(logging.INFO)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.record(record)
