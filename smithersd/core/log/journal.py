"""The journal: events as they are decided, numbered, applied to the run's state and gathered into the next step."""

from typing import Any

from smithersd.core.flow.step import Step
from smithersd.core.log.events import Event, Recorded
from smithersd.core.log.fold import RunState, why_refused
from smithersd.core.log.states import NodeState
from smithersd.core.tree.reads import Readers
from smithersd.errors import StoreInvalid


class Journal:
    """One run's state, the step in the making, and the time at which things happen."""

    def __init__(self, state: RunState, readers: Readers) -> None:
        self.state = state
        self.step = Step()
        self.now_ms = 0
        self._readers = readers

    def emit(self, event: Event) -> None:
        """Decide an event: it has the next number, and the state is what it makes of it.

        Raises:
            AssertionError: the event cannot follow; no log is at fault, but the flow that decided it.
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
        """Apply an event that is durable already, or about to be; those who read what it changes are told."""
        event: Any = recorded.event
        before = self._node_state(event)
        self.state.apply(recorded)
        if self._node_state(event) is not before:
            self._readers.state_changed(event.node_id)

    def take(self) -> Step:
        """Hand over the step and begin the next."""
        step, self.step = self.step, Step()
        return step

    def _node_state(self, event: Any) -> NodeState | None:
        """The state of the node that an event is about, None where nobody reads such states."""
        if not self._readers.are_watching_states:
            return None
        if not hasattr(event, "node_id"):
            return None
        node = self.state.nodes.get((event.node_id, event.iteration))
        return None if node is None else node.state
