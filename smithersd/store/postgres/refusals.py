"""What PostgreSQL and the way to it may answer, and what that means: try again later, or mend something."""

import asyncpg

from smithersd.errors import SmithersError, StoreInvalid, StoreUnavailable

_MAY_PASS: tuple[type[BaseException], ...] = (
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
_TO_MEND: tuple[type[BaseException], ...] = (
    ValueError,  # the URL, a certificate
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InsufficientPrivilegeError,
    asyncpg.InterfaceError,
)


def is_refusal(error: BaseException, *, is_closed: bool) -> bool:
    """Whether an error is the database's or the network's, and may pass; `is_closed`: the connection is gone."""
    return isinstance(error, _MAY_PASS) or (is_closed and isinstance(error, asyncpg.InterfaceError))


def unavailable(error: BaseException, where: str) -> StoreUnavailable:
    """Say that the database refused for a reason that may pass."""
    return StoreUnavailable(
        f"The store {where} refused: {reason(error)}", remedy="Look whether the database runs and can be reached."
    )


def refused_at_start(error: BaseException, where: str) -> SmithersError:
    """Say why a store cannot be opened: what must be mended is told from what may pass."""
    if isinstance(error, _TO_MEND):
        return StoreInvalid(
            f"The store {where} cannot be opened: {reason(error)}",
            remedy="Look at the URL, the role's password, and its rights on the database and the schema.",
        )
    return unavailable(error, where)


def reason(error: BaseException) -> str:
    """Say in a line what was answered; nothing in it is secret."""
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time."
    text = (str(error) or type(error).__name__).splitlines()[0]
    return text if text.endswith(".") else f"{text}."
