"""A place to start daemons in; nothing of it stays."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemons import DaemonPlace


@pytest.fixture
def place(tmp_path: Path) -> Iterator[DaemonPlace]:
    made = DaemonPlace(tmp_path)
    yield made
    made.end()
