"""Which report suits where `up` runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from smithersd.cli.plain import PlainReport
from smithersd.daemon.report import Report

_LOGGER = "smithersd"


@contextmanager
def choose_report() -> Iterator[Report]:
    """Make a report for this process's streams; what smithersd logs becomes part of it."""
    report = PlainReport()
    handler = _ReportHandler(report)
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(handler)
    logger.propagate = False  # the author's own logging need not repeat it
    try:
        yield report
    finally:
        report.release()
        logger.propagate = True
        logger.removeHandler(handler)


class _ReportHandler(logging.Handler):
    def __init__(self, report: Report) -> None:
        super().__init__(logging.WARNING)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        self._report.warn(self.format(record))
