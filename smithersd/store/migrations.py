"""Migrations: numbered SQL files, forward only, each recorded with its checksum."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from smithersd.errors import StoreInvalid, StoreTooNew


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(dialect_name: str) -> list[Migration]:
    """Return all migrations of this version for a kind of database, in order."""
    folder = resources.files("smithersd.store") / "sql" / "migrations" / dialect_name
    found = [
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    ]
    return sorted(found, key=lambda one: one.version)


def missing(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """Return the migrations that a store lacks; `applied` are its checksums by version.

    Raises:
        StoreTooNew: a later version of smithersd wrote this store.
        StoreInvalid: a migration was applied in another form than ours.
    """
    latest = known[-1].version
    if applied and max(applied) > latest:
        raise StoreTooNew(
            f"The store is at schema {max(applied)}, this smithersd knows {latest}.",
            remedy="Install the version of smithersd that wrote it, or a later one.",
        )
    for one in known:
        if applied.get(one.version, one.checksum) != one.checksum:
            raise StoreInvalid(
                f"Migration {one.version} ({one.name}) of the store is not the one that this smithersd has.",
                remedy="The store comes from a changed build; open it with that one.",
            )
    return [one for one in known if one.version not in applied]
