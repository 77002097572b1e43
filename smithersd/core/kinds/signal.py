"""The kind of `Signal`: wait for what others send, and put out its data."""

from typing import Any, assert_never

import pydantic_core

from smithersd.core.kinds.evaluated import evaluated
from smithersd.core.kinds.kind import FlowActions
from smithersd.core.kinds.node_kind import Due, NodeKind, Wait
from smithersd.core.log import events
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.signals import KeptSignal, address_of
from smithersd.core.log.states import WaitKind
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.elements import Signal
from smithersd.elements.kinds import OnTimeout
from smithersd.elements.signal import checked_signal_name
from smithersd.errors import ErrorInfo, InvalidOutput, SignalTimeout


class SignalKind(NodeKind[Signal[object]]):
    """A wait for a signal; the node's output is the data that came with it."""

    name = Signal.kind

    def facts(self, element: Signal[object]) -> Tree:
        """Return what the tree tells of every node, which signals it waits for, and for how long."""
        facts = super().facts(element)
        if element.name is not None:
            facts["signalName"] = element.name
        if isinstance(element.key, str):
            facts["correlationId"] = element.key
        if element.timeout_s is not None:
            facts |= {"timeoutS": element.timeout_s, "onTimeout": element.on_timeout}
        return facts

    def reader_name(self, place: Place) -> str:
        """Return a name for what says the key."""
        return f"key of signal {place.id!r}"

    def wait(self, element: Signal[object], key: NodeKey, flow: FlowActions) -> Wait:
        """Return the wait for a signal; a key that is made of an output is computed here."""
        found = evaluated(element.key, flow.place_of(key), f"key of signal {element.id!r}", flow)
        if found.value is not None:
            checked_signal_name(found.value, f"The key of signal {element.id!r}")
        times_out_at_ms = None if element.timeout_s is None else flow.now_ms + round(element.timeout_s * 1000)
        request = _request(element, key, found.value, times_out_at_ms)
        return Wait(request, due=_due(request), signal=address_of(request), reads=found.reads)

    def resume_waiting(self, element: Signal[object], node: NodeRecord, flow: FlowActions) -> None:
        """Continue to wait for what the log says, until the time in the log; then for what an edit has changed."""
        request = _request_of(node)
        flow.wait_for_signal(node, address_of(request))
        due = _due(request)
        if due is not None:
            flow.wait_until(node, due)
        is_fixed = element.key is None or isinstance(element.key, str)
        key = element.key if is_fixed else request.correlation_id
        edited = _request(element, node.key, key, request.times_out_at_ms)
        if edited != request:
            flow.ask_again(node, edited)

    def signalled(self, element: Signal[object], node: NodeRecord, signal: KeptSignal, flow: FlowActions) -> None:
        """Finish with the data of a signal; if they do not fit, say so and wait on."""
        try:
            output = element.schema.normalised(pydantic_core.to_json(signal.signal.data).decode())
        except InvalidOutput as error:
            flow.emit(events.SignalRefused(*node.key, signal.seq, ErrorInfo.of(error)))
        else:
            flow.emit(events.SignalDelivered(*node.key, signal.seq))
            flow.finish(node, output)

    def due(self, node: NodeRecord, late_ms: int, flow: FlowActions) -> None:
        """Record that no signal came in time, and do what `on_timeout` says."""
        request = _request_of(node)
        flow.emit(events.SignalTimedOut(*node.key, late_ms))
        match request.on_timeout:
            case OnTimeout.FAIL | None:
                flow.fail(node, ErrorInfo.of(SignalTimeout(f"No signal {request.name!r} came in time.")))
            case OnTimeout.SKIP:
                flow.skip(node)
            case OnTimeout.CONTINUE:
                flow.finish(node, "null")
            case _:
                assert_never(request.on_timeout)


def _request(
    element: Signal[object], key: NodeKey, correlation_id: Any, times_out_at_ms: int | None
) -> events.NodeWaitingEvent:
    on_timeout = None if times_out_at_ms is None else element.on_timeout
    name = key[0] if element.name is None else element.name
    return events.NodeWaitingEvent(*key, name, correlation_id, times_out_at_ms, on_timeout)


def _request_of(node: NodeRecord) -> events.NodeWaitingEvent:
    request = node.waits[WaitKind.SIGNAL].request
    assert isinstance(request, events.NodeWaitingEvent)
    return request


def _due(request: events.NodeWaitingEvent) -> Due | None:
    return None if request.times_out_at_ms is None else Due(request.times_out_at_ms, is_by_wall_clock=False)
