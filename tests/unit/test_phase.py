"""The phases of an engine: which moves there are."""

import pytest

from smithersd.engine.phase import Phase


@pytest.mark.parametrize("phase", [Phase.PREPARED, Phase.STARTED, Phase.DRIVING, Phase.SUSPENDING, Phase.CANCELLING])
def test_an_engine_can_be_closed_in_every_phase_of_a_live_run(phase: Phase) -> None:
    assert phase.can_become(Phase.CLOSED)


@pytest.mark.parametrize("phase", [Phase.CLOSED, Phase.ENDED])
def test_nothing_follows_on_the_end(phase: Phase) -> None:
    assert not any(phase.can_become(other) for other in Phase)


def test_a_cancel_wins_over_a_suspension_whichever_came_first() -> None:
    assert Phase.SUSPENDING.can_become(Phase.CANCELLING)
    assert not Phase.CANCELLING.can_become(Phase.SUSPENDING)


@pytest.mark.parametrize("request_", [Phase.SUSPENDING, Phase.CANCELLING])
def test_a_stop_may_be_asked_for_before_the_driving_begins_and_is_not_forgotten_then(request_: Phase) -> None:
    assert Phase.STARTED.can_become(request_)
    assert not request_.can_become(Phase.DRIVING)
