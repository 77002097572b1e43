"""Open a store by its URL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from smithersd.errors import StoreInvalid
from smithersd.limits import LEASE_S
from smithersd.store.database import Database
from smithersd.store.sqlite.database import open_sqlite
from smithersd.store.store import Store


@asynccontextmanager
async def open_store(url: str | Path, *, must_exist: bool = False, lease_s: float = LEASE_S) -> AsyncIterator[Store]:
    """Open a store by URL (`sqlite:///runs.db`, `postgresql://user@host/db`) or by the path of a SQLite file.

    The store is created, unless it `must_exist`, and migrated if needed. A run that is driven through it may be taken
    over `lease_s` seconds after the last renewal of its lease.

    Examples:
        ```python
        async with open_store("sqlite:///runs.db") as store:
            runs = await store.runs(limit=10)
        ```

    Raises:
        StoreInvalid: the URL is not valid, or what it names is not a store and cannot become one.
        StoreTooNew: a later version of smithersd wrote the store.
        StoreUnavailable: the database does not answer.
    """
    store = Store(await _opened(url, must_exist=must_exist), lease_s=lease_s)
    try:
        yield store
    finally:
        await store.close()


async def _opened(url: str | Path, *, must_exist: bool) -> Database:
    if isinstance(url, Path):
        return await _open_file(url, must_exist=must_exist)
    scheme, separator, rest = url.partition("://")
    if not separator:
        return await _open_file(_path(url, url), must_exist=must_exist)
    if scheme in {"postgresql", "postgres"}:
        from smithersd.store.postgres.database import open_postgres  # noqa: PLC0415 - not needed for SQLite

        return await open_postgres(url, must_exist=must_exist)
    if scheme == "sqlite" and rest.startswith("/"):
        return await _open_file(_path(rest[1:], url), must_exist=must_exist)
    raise StoreInvalid(
        f"{scheme}://... is not a store URL.",
        remedy="Give sqlite:///path for a relative path, sqlite:////path for an absolute one, "
        "or postgresql://user@host/database.",
    )


async def _open_file(path: Path, *, must_exist: bool) -> Database:
    if must_exist and not path.exists():
        raise StoreInvalid(
            f"There is no store at {str(path)!r}.",
            remedy="The first `smithers up` creates one; --store or --state-folder names another.",
        )
    return await open_sqlite(path)


def _path(text: str, url: str) -> Path:
    if not text or "\0" in text:
        raise StoreInvalid(f"The store URL {url!r} has no path of a file.", remedy="Give sqlite:///path.")
    return Path(text)
