"""The journal: number the events that a flow decides, apply them to the run's state, and collect them into a step."""

from typing import Any

from smithersd.core.flow.step import Step
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.fold import RunState, why_refused
from smithersd.core.log.states import NodeState
from smithersd.core.tree.reads import Readers
from smithersd.errors import StoreInvalid


class Journal:
    """One run's state, the step that is being collected, and the time of its events."""

    def __init__(self, state: RunState, readers: Readers) -> None:
        self.state = state
        self.step = Step()
        self.now_ms = 0
        self._readers = readers

    def emit(self, event: Event) -> None:
        """Give an event the next number, apply it to the state, and add it to the step.

        Raises:
            AssertionError: the event cannot follow, which is a fault of the flow and not of the log.
        """
        recorded = Recorded(self.state.last_seq + 1, self.now_ms, event)
        try:
            self.apply(recorded)
        except StoreInvalid as error:
            raise AssertionError(
                f"the flow has decided an illegal move: {why_refused(self.state, recorded)}"
            ) from error
        self.step.events.append(recorded)

    def apply(self, recorded: Recorded) -> None:
        """Apply an event to the state, and notify the readers of a state that it changes."""
        event: Any = recorded.event
        before = self._node_state(event)
        self.state.apply(recorded)
        if self._node_state(event) is not before:
            self._readers.state_changed(event.node_id)

    def take(self) -> Step:
        """Return the step and begin a new one."""
        step, self.step = self.step, Step()
        return step

    def _node_state(self, event: Any) -> NodeState | None:
        """Return the state of the event's node, or None if it has none or no rendering reads states."""
        if not self._readers.are_watching_states:
            return None
        if not hasattr(event, "node_id"):
            return None
        node = self.state.nodes.get((event.node_id, event.iteration))
        return None if node is None else node.state
