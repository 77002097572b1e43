"""Which report suits where `up` runs."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from smithersd.cli.plain import PlainReport
from smithersd.daemon.report import Report

_LOGGER = "smithersd"


@contextmanager
def choose_report() -> Iterator[Report]:
    """Report to this process's streams while the `with` lasts; what smithersd logs becomes part of it."""
    report = _live_report() if _is_terminal() else PlainReport()
    handler = _ReportHandler(report)
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    logger.propagate = False  # the author's own logging need not repeat it
    try:
        yield report
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
        report.close()


def _is_terminal() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def _live_report() -> Report:
    from smithersd.cli.live import LiveReport  # noqa: PLC0415 - brings rich, which only a terminal needs

    return LiveReport()


class _ReportHandler(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.warn(self.format(record))
