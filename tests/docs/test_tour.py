"""The tours of README and the tutorial show what really happens, to whoever types fast or takes their time."""

from pathlib import Path

import pytest

from tests.docs import tour
from tests.docs.documents import README, TUTORIAL, Document


def assert_shown(seen: dict[str, str], document: Document = TUTORIAL) -> None:
    shown = tour.masked(document.text)
    for name, text in seen.items():
        assert tour.masked(text).strip() in shown, name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tour.prepare(tmp_path)
    return tmp_path


def test_a_run_is_drawn_killed_resumed_and_approved_as_readme_shows(folder: Path) -> None:
    seen = tour.deploy(folder)
    assert_shown(seen, README)


def test_a_run_that_is_killed_in_its_work_goes_on(folder: Path) -> None:
    assert_shown(tour.crash_and_resume(folder, is_late=False))


def test_who_kills_it_late_sees_it_wait_again(folder: Path) -> None:
    seen = tour.crash_and_resume(folder, is_late=True)
    del seen["EVENTS"]  # the numbers of attempts differ
    seen["ASKED"] = "deploy asks:" + seen["ASKED"].split("deploy asks:")[1]
    assert_shown(seen)


def test_after_a_failure_nothing_is_lost(folder: Path) -> None:
    assert_shown(tour.fail_and_mend(folder))


def test_others_are_served_with_a_token(folder: Path) -> None:
    assert_shown(tour.serve_to_others(folder))
