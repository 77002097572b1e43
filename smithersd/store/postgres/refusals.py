"""Classify errors of PostgreSQL and the network as temporary ones and ones that must be corrected."""

import asyncpg

from smithersd.errors import SmithersError, StoreInvalid, StoreUnavailable

_TEMPORARY: tuple[type[BaseException], ...] = (
    OSError,  # TimeoutError and ConnectionError among them
    EOFError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # restarted, shut down, terminated, a statement that took too long
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.PostgresSystemError,  # I/O error
    asyncpg.ReadOnlySQLTransactionError,  # a standby, after a failover
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.InternalClientError,  # no such server among several, an answer that was cut in two
)
_TO_CORRECT: tuple[type[BaseException], ...] = (
    ValueError,  # the URL, a certificate
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InterfaceError,
)


def is_refusal(error: BaseException, *, is_closed: bool) -> bool:
    """Return whether an error may be temporary; `is_closed` says that the connection is closed."""
    return isinstance(error, _TEMPORARY) or (is_closed and isinstance(error, asyncpg.InterfaceError))


def unavailable(error: BaseException, where: str) -> StoreUnavailable:
    """Return StoreUnavailable for an error that may be temporary."""
    return StoreUnavailable(
        f"The store {where} refused: {reason(error)}", remedy="Check that the database runs and can be reached."
    )


def refused_at_start(error: BaseException, where: str) -> SmithersError:
    """Return why a store cannot be opened: StoreInvalid if that must be corrected, else StoreUnavailable."""
    if isinstance(error, _TO_CORRECT):
        return StoreInvalid(
            f"The store {where} cannot be opened: {reason(error)}",
            remedy="Check the URL, the role's password, and its rights on the database and the schema.",
        )
    return unavailable(error, where)


def reason(error: BaseException) -> str:
    """Return the error's message in one line, which contains no secret."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time."
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if text.endswith(".") else f"{text}."
