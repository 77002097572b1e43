"""Places that wait for an output which they have read and which is still to come, and why one may never come."""

from smithersd.core.log.records import NodeRecord
from smithersd.core.tree.places import Place, Progress
from smithersd.core.tree.plan import Plan
from smithersd.errors import OutputNotReady, WorkflowError


class Awaiting:
    """Lazy subtrees and conditions, parked by the node whose output they read."""

    def __init__(self) -> None:
        self._parked: dict[str, list[tuple[Place, OutputNotReady]]] = {}

    def park(self, place: Place, error: OutputNotReady) -> None:
        """A place waits for the output that it could not read."""
        self._parked.setdefault(error.node_id, []).append((place, error))

    def take(self, node_id: str) -> list[Place]:
        """A node has ended: return those that waited for it."""
        return [place for place, _ in self._parked.pop(node_id, ())]

    def clear(self) -> None:
        """Nobody waits any more."""
        self._parked.clear()

    def stalled(self, plan: Plan) -> WorkflowError:
        """Say why a run that neither runs nor waits cannot go on: what it reads will never come."""
        for parked in self._parked.values():
            for place, error in parked:
                return never_ready(place, error, None)
        waiting = [p.id for p in plan.places.values() if p.progress is Progress.REACHED and p.missing]
        names = ", ".join(map(repr, waiting))
        return WorkflowError(
            f"The run cannot go on: {names} wait for nodes that can never end.",
            remedy="A lazy subtree must not depend on what comes after it.",
        )


def never_ready(place: Place, error: OutputNotReady, awaited: NodeRecord | None) -> OutputNotReady:
    """Say that a place reads an output that can never come; both are named."""
    how = "will never be part of the run" if awaited is None else f"ended as {awaited.state} without one"
    return OutputNotReady(
        error.node_id,
        f"The {place.kind.reader_name(place)} reads the output of {error.node_id!r}, which {how}.",
        remedy="Use ctx.latest with a default, or ctx.state.",
    )
