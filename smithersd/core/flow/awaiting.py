"""Places that wait for an output that does not exist yet, and the errors for one that never will."""

from smithersd.core.log.records import NodeRecord
from smithersd.core.tree.places import Place, Progress
from smithersd.core.tree.plan import Plan
from smithersd.errors import OutputNotReady, WorkflowError


class Awaiting:
    """The places of lazy subtrees and conditions that wait, by the node whose output they read."""

    def __init__(self) -> None:
        self._parked: dict[str, list[tuple[Place, OutputNotReady]]] = {}

    def park(self, place: Place, error: OutputNotReady) -> None:
        """Let a place wait for the output that it could not read."""
        self._parked.setdefault(error.node_id, []).append((place, error))

    def take(self, node_id: str) -> list[Place]:
        """Remove and return the places that wait for a node, which has ended."""
        return [place for place, _ in self._parked.pop(node_id, ())]

    def clear(self) -> None:
        """Forget all waiting places, whose plan is replaced."""
        self._parked.clear()

    def stalled(self, plan: Plan) -> WorkflowError:
        """Return the error of a run that neither runs nor waits: an output that it reads will never exist."""
        for parked in self._parked.values():
            for place, error in parked:
                return never_ready(place, error, None)
        waiting = [p.id for p in plan.places.values() if p.progress is Progress.REACHED and p.missing]
        names = ", ".join(map(repr, waiting))
        return WorkflowError(
            f"The run cannot continue: {names} wait for nodes that can never end.",
            remedy="Let no lazy subtree depend on nodes that come after it.",
        )


def never_ready(place: Place, error: OutputNotReady, awaited: NodeRecord | None) -> OutputNotReady:
    """Return the error of a place that reads an output that will never exist; it names both."""
    how = "will never be part of the run" if awaited is None else f"ended as {awaited.state} without an output"
    return OutputNotReady(
        error.node_id,
        f"The {place.kind.reader_name(place)} reads the output of {error.node_id!r}, which {how}.",
        remedy="Use ctx.latest with a default, or ctx.state.",
    )
