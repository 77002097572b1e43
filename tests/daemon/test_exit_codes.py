"""What an exit code says, for every status and every error."""

import inspect

import pytest

from smithersd import errors
from smithersd.core.log.states import RunStatus
from smithersd.exit_codes import ExitCode, exit_code_of_error, exit_code_of_status

CODES = {
    RunStatus.FINISHED: 0,
    RunStatus.CONTINUED: 0,
    RunStatus.FAILED: 1,
    RunStatus.CANCELLED: 2,
    RunStatus.SUSPENDED: 3,
    RunStatus.RUNNING: 3,
    RunStatus.WAITING_APPROVAL: 3,
    RunStatus.WAITING_TIMER: 3,
    RunStatus.WAITING_EVENT: 3,
}


def test_each_status_has_its_code() -> None:
    assert {status: exit_code_of_status(status) for status in RunStatus} == CODES


@pytest.mark.parametrize("kind", [kind for _, kind in inspect.getmembers(errors, inspect.isclass)])
def test_only_what_a_user_can_mend_exits_with_4_and_nothing_with_clicks_2(kind: type) -> None:
    if not issubclass(kind, errors.SmithersError) or kind is errors.OutputNotReady:
        return
    code = exit_code_of_error(kind("something happened"))
    assert (code is ExitCode.USAGE) == issubclass(kind, errors.UserError)
    assert (code is ExitCode.LEASE_LOST) == issubclass(kind, errors.LeaseLost)
    assert code != ExitCode.CANCELLED
