"""Backing a store up: by the store where it is a file, else by the database's own tools."""

from pathlib import Path

import pytest

from smithersd.errors import UserError
from smithersd.store import Store, open_store


async def test_a_store_is_copied_or_says_whose_work_that_is(store: Store, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    if store.url.startswith("postgresql"):
        with pytest.raises(UserError) as caught:
            await store.back_up(target)
        assert "pg_dump" in str(caught.value.remedy)
        assert not target.exists()
        return
    await store.back_up(target)
    async with open_store(target, must_exist=True) as copy:
        assert await copy.runs(limit=10) == await store.runs(limit=10)
