"""The loggers of smithersd, which never raise, whatever an author does to logging.

A record factory (`logging.setLogRecordFactory`), a filter or a handler of the author may raise. Without this it would
do so in the middle of the engine, or in a callback of the loop.
"""

import logging
from contextlib import suppress
from typing import Any


def logger(name: str) -> logging.Logger:
    """Return the logger of a name, which must start with "smithersd"."""
    manager = logging.Logger.manager
    kept, manager.loggerClass = manager.loggerClass, _SteadyLogger
    try:
        return manager.getLogger(name)
    finally:
        manager.loggerClass = kept


class _SteadyLogger(logging.Logger):
    def makeRecord(self, *args: Any, **options: Any) -> logging.LogRecord:  # noqa: N802 - logging's own name
        with suppress(Exception):
            record: object = super().makeRecord(*args, **options)
            if isinstance(record, logging.LogRecord):
                return record
        name, level, path, line, message, arguments, error_info, *_ = args
        return logging.LogRecord(name, level, path, line, message, arguments, error_info)

    def handle(self, record: logging.LogRecord) -> None:
        with suppress(Exception):
            super().handle(record)
