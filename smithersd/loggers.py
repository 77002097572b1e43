"""Our loggers: whatever an author does to logging, what we log raises nothing.

A record factory (`logging.setLogRecordFactory`), a filter or a handler of the author's may raise, and is called where
we log: in the engine's turn, in a callback of the loop.
"""

import logging
from contextlib import suppress
from typing import Any


def logger(name: str) -> logging.Logger:
    """Return the logger of this name, which begins with "smithersd"."""
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
