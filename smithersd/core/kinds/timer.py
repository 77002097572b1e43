"""The kind of `Timer`: a wait that ends by itself."""

from datetime import datetime

from smithersd.core.kinds.evaluated import evaluated
from smithersd.core.kinds.kind import FlowActions
from smithersd.core.kinds.node_kind import Due, NodeKind, Wait
from smithersd.core.log import events
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import WaitKind
from smithersd.core.tree.facts import Tree
from smithersd.core.tree.places import Place
from smithersd.core.tree.reads import ScopeReads
from smithersd.elements import Timer
from smithersd.elements.kinds import TimerType
from smithersd.elements.options.duration import seconds
from smithersd.elements.timer import checked_time


class TimerKind(NodeKind[Timer]):
    """A wait for a time; its output is None."""

    name = Timer.kind
    shows_output = False

    def facts(self, element: Timer) -> Tree:
        """Return the facts of every node, and how long or until when it waits, if that is known."""
        facts = super().facts(element)
        if isinstance(element.after, float):
            facts["afterS"] = element.after
        if isinstance(element.until, datetime):
            facts["until"] = element.until.isoformat()
        return facts

    def reader_name(self, place: Place) -> str:
        """Return a name for what says the time."""
        return f"time of timer {place.id!r}"

    def wait(self, element: Timer, key: NodeKey, flow: FlowActions) -> Wait:
        """Return the wait for the time at which it fires, which is computed here."""
        fires_at_ms, reads = _time_of(element, flow.place_of(key), flow)
        timer_type = TimerType.DURATION if element.until is None else TimerType.ABSOLUTE
        return Wait(
            events.TimerCreated(*key, fires_at_ms, timer_type),
            events.NodeWaitingTimer(*key, fires_at_ms),
            Due(fires_at_ms, is_by_wall_clock=element.until is not None),
            reads=reads,
        )

    def resume_waiting(self, element: Timer, node: NodeRecord, flow: FlowActions) -> None:  # noqa: ARG002
        """Wait for the time in the log, even if the workflow was edited since."""
        timer = node.waits[WaitKind.TIMER].request
        assert isinstance(timer, events.TimerCreated)
        flow.wait_until(node, Due(timer.fires_at_ms, timer.timer_type is TimerType.ABSOLUTE))

    def due(self, node: NodeRecord, late_ms: int, flow: FlowActions) -> None:
        """Record that the timer fired, and finish the node."""
        flow.emit(events.TimerFired(*node.key, late_ms))
        flow.finish(node, "null")

    def fired(self, node: NodeRecord, fired_by: str | None, flow: FlowActions) -> None:
        """Fire before the time, because a person has asked for it."""
        flow.emit(fired_event(node, fired_by, flow.now_ms))
        flow.finish(node, "null")


def fired_event(node: NodeRecord, fired_by: str | None, now_ms: int) -> events.TimerFired:
    """Return the event of a timer that a person has fired before its time."""
    due_at_ms = node.waits[WaitKind.TIMER].due_at_ms
    assert due_at_ms is not None
    return events.TimerFired(*node.key, now_ms - due_at_ms, fired_by)


def _time_of(element: Timer, place: Place, flow: FlowActions) -> tuple[int, ScopeReads]:
    """Return when a timer that is reached now fires, in milliseconds since the epoch, and what was read for that."""
    if element.until is None:
        what = f"after of timer {element.id!r}"
        found = evaluated(element.after, place, what, flow)
        return flow.now_ms + round(seconds(found.value, f"The {what}") * 1000), found.reads
    what = f"until of timer {element.id!r}"
    found = evaluated(element.until, place, what, flow)
    return round(checked_time(found.value, f"The {what}").timestamp() * 1000), found.reads
