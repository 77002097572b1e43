"""Runs here are rows that the tests make up."""

import pytest


@pytest.fixture
def every_run_is_what_its_log_says() -> None:
    """Rows that no engine wrote need not agree with one another."""
