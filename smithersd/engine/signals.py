"""Send a signal to a run: checked here if this process drives the run, and left for its driver."""

import pydantic_core

from smithersd.core.log.events import SignalReceived
from smithersd.elements.signal import signal_name_problem
from smithersd.engine.drivers import local_driver
from smithersd.errors import InvalidOutput, InvalidRequest
from smithersd.limits import SIGNAL_DATA_BYTES_MAX, SIGNAL_NAME_LENGTH_MAX
from smithersd.store import Store
from smithersd.store.records import Submitted


async def send_signal(store: Store, run_id: str, signal: SignalReceived) -> Submitted:
    """Send a run a signal; it is kept until a node takes it.

    Raises:
        RunNotFound: there is no such run.
        RunNotActive: the run has ended, or is being cancelled.
        InvalidRequest: the name, the correlation id or the data cannot be sent, or the node that waits for the signal
            refuses the data; details list the fields.
        TooManySignals: the run keeps as many signals as it may.
    """
    _check_name(signal.name, "name")
    if signal.correlation_id is not None:
        _check_name(signal.correlation_id, "correlation id")
    data = pydantic_core.to_json(signal.data)
    if len(data) > SIGNAL_DATA_BYTES_MAX:
        raise InvalidRequest(
            f"The data of signal {signal.name!r} have {len(data)} bytes of JSON; at most {SIGNAL_DATA_BYTES_MAX} are "
            "kept.",
            remedy="Store larger data elsewhere, and send where they are.",
        )
    driver = local_driver(store.url, run_id)
    problem = None if driver is None else driver.signal_problem(signal.name, signal.correlation_id, data.decode())
    if problem is not None:
        raise _refused(signal.name, problem)
    return await store.submit_signal(run_id, signal)


def _check_name(name: str, what: str) -> None:
    problem = signal_name_problem(name)
    if problem is not None:
        raise InvalidRequest(
            f"The {what} of the signal {problem}.", remedy=f"Give 1 to {SIGNAL_NAME_LENGTH_MAX} printable characters."
        )


def _refused(name: str, problem: InvalidOutput) -> InvalidRequest:
    fields = [
        {"field": f"data.{one['field']}" if one["field"] else "data", "problem": one["problem"]}
        for one in (problem.details or {})["problems"]
    ]
    said = "; ".join(f"{one['field'][:50]}: {one['problem']}" for one in fields)
    return InvalidRequest(f"The data do not fit signal {name!r}: {said}.", details={"problems": fields})
