"""Migrations: numbered SQL files, forward only, each recorded with its checksum."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from smithersd.errors import StoreInvalid, StoreTooNew


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered migration file."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """The SHA-256 of the file, as hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations(dialect_name: str) -> list[Migration]:
    """Return all migrations for a kind of database that this version of smithersd has, in order."""
    folder = resources.files("smithersd.store") / "sql" / "migrations" / dialect_name
    found = [
        Migration(int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if (match := re.fullmatch(r"(\d{4})_(\w+)\.sql", entry.name))
    ]
    return sorted(found, key=lambda migration: migration.version)


def missing(known: Sequence[Migration], applied: Mapping[int, str]) -> list[Migration]:
    """Return the migrations that a store lacks; `applied` maps the versions that it has to their checksums.

    Raises:
        StoreTooNew: a later version of smithersd wrote the store.
        StoreInvalid: an applied migration differs from the one of the same number here.
    """
    latest = known[-1].version
    if applied and max(applied) > latest:
        raise StoreTooNew(
            f"The store has schema version {max(applied)}, and this smithersd knows versions up to {latest}.",
            remedy="Install the version of smithersd that wrote the store, or a later one.",
        )
    for migration in known:
        if applied.get(migration.version, migration.checksum) != migration.checksum:
            raise StoreInvalid(
                f"Migration {migration.version} ({migration.name}) of the store differs from this smithersd's.",
                remedy="The store was written by a modified build of smithersd: open it with that build.",
            )
    return [migration for migration in known if migration.version not in applied]
