"""How an attempt failed: its error in words, and whether that is worth another attempt."""

import asyncio
import logging
from dataclasses import replace
from logging import Logger
from traceback import format_exception

from smithersd.author_errors import describe, with_place
from smithersd.elements.options.retry import RetryPolicy
from smithersd.elements.options.retry_on import requested_delay_s
from smithersd.elements.texts import shown
from smithersd.errors import TASK_FAILED, ErrorInfo, SmithersError, WorkflowError
from smithersd.executors.call import Failed
from smithersd.executors.output.mask import Mask


def failure_of(error: BaseException, retry: RetryPolicy, mask: Mask | None = None) -> Failed:
    """Return the outcome of an attempt that an error has ended.

    A `retry_on` that raises or returns no bool becomes the error itself, and is not retried. `mask` replaces the
    attempt's secrets in the error.
    """
    described = _masked(_described(error), mask)
    if not retry.retries:
        return Failed(described, is_retryable=False)
    try:
        return Failed(described, retry.rule.accepts(error), requested_delay_s(error))
    except WorkflowError as refused:
        return Failed(_masked(ErrorInfo.of(refused), mask), is_retryable=False)


def log_traceback(log: Logger, message: str, error: BaseException, mask: Mask | None) -> None:
    """Log an error with its traceback; with a mask as a text in which secrets are replaced, for every handler."""
    if mask is None:
        log.info(message, exc_info=error)
    elif log.isEnabledFor(logging.INFO):
        record = log.makeRecord(log.name, logging.INFO, __file__, 0, message, (), None)
        record.exc_text = mask.text(_traceback(error))
        log.handle(record)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(format_exception(error)).rstrip("\n")
    except Exception as broken:  # noqa: BLE001 - whatever an author's exception does when it is asked for its text
        return f"The traceback could not be written: {type(broken).__name__}."


def _masked(error: ErrorInfo, mask: Mask | None) -> ErrorInfo:
    return error if mask is None else replace(error, message=mask.text(error.message))


def _described(error: BaseException) -> ErrorInfo:
    try:
        return _error_info(error)
    except Exception:  # noqa: BLE001 - an exception whose own attributes raise must not prevent the attempt's end
        return ErrorInfo(TASK_FAILED, type(error).__name__, "The task raised an exception that cannot be described.")


def _error_info(error: BaseException) -> ErrorInfo:
    match error:
        case asyncio.CancelledError():
            message = "The task was cancelled by its own code: something that it awaited was cancelled."
            return ErrorInfo(TASK_FAILED, "CancelledError", with_place(message, error))
        case SystemExit():
            return ErrorInfo(
                TASK_FAILED, "SystemExit", with_place(f"The task called sys.exit({shown(error.code)}).", error)
            )
        case _:
            code = error.code if isinstance(error, SmithersError) else TASK_FAILED
            return ErrorInfo(code, type(error).__name__, describe(error))
