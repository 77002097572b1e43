"""How an attempt failed: its error in words, and whether that is worth another attempt."""

import asyncio

from smithersd.author_errors import describe, with_place
from smithersd.elements.options.retry import RetryPolicy
from smithersd.elements.options.retry_on import requested_delay_s
from smithersd.elements.texts import shown
from smithersd.errors import TASK_FAILED, ErrorInfo, SmithersError, WorkflowError
from smithersd.executors.call import Failed


def failure_of(error: BaseException, retry: RetryPolicy) -> Failed:
    """Return the outcome of an attempt that an error has ended.

    A `retry_on` that raises or returns no bool becomes the error itself, and is not retried.
    """
    described = _described(error)
    if not retry.retries:
        return Failed(described, is_retryable=False)
    try:
        return Failed(described, retry.rule.accepts(error), requested_delay_s(error))
    except WorkflowError as refused:
        return Failed(ErrorInfo.of(refused), is_retryable=False)


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
