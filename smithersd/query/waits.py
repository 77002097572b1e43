"""What a run waits for, and what ends each wait: the same in the serve app's answers and on the command line."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never
from urllib.parse import quote

from smithersd.core.log import events
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import WaitRecord
from smithersd.core.log.states import WaitKind


@dataclass(frozen=True, slots=True)
class PendingWait:
    """A node iteration that waits, since `since_ms` and until `due_at_ms` at the latest (None: no time ends it).

    `title` is what an approval asks, `name` and `correlation_id` are those of a signal; else they are None.
    """

    kind: WaitKind
    node_id: str
    iteration: int
    since_ms: int
    due_at_ms: int | None
    title: str | None
    name: str | None
    correlation_id: str | None

    @property
    def routes(self) -> list[str]:
        """The routes that end the wait, such as "POST /fire/night"; none for a retry, which only its time ends."""
        return [f"POST /{verb}/{quote(self.target, safe='/')}" for verb in self.verbs]

    @property
    def target(self) -> str:
        """What a request that ends the wait names: the signal, or else the node."""
        return self.node_id if self.name is None else self.name

    @property
    def verbs(self) -> tuple[str, ...]:
        """What can be done to end the wait."""
        match self.kind:
            case WaitKind.APPROVAL:
                return ("approve", "deny")
            case WaitKind.TIMER:
                return ("fire",)
            case WaitKind.SIGNAL:
                return (WaitKind.SIGNAL.value,)
            case WaitKind.RETRY:
                return ()
            case _:
                assert_never(self.kind)


def pending_waits(run: RunState) -> list[PendingWait]:
    """Return everything that a run waits for, the longest waiting first."""
    return [_pending(wait) for wait in _open(run)]


def _open(run: RunState) -> Iterator[WaitRecord]:
    """Yield the open waits of a run that has not ended."""
    if not run.status.is_final:
        yield from run.waiting


def _pending(wait: WaitRecord) -> PendingWait:
    request = wait.request
    return PendingWait(
        kind=wait.kind,
        node_id=wait.key[0],
        iteration=wait.key[1],
        since_ms=wait.requested_at_ms,
        due_at_ms=wait.due_at_ms,
        title=request.title if isinstance(request, events.ApprovalRequested) else None,
        name=request.name if isinstance(request, events.NodeWaitingEvent) else None,
        correlation_id=request.correlation_id if isinstance(request, events.NodeWaitingEvent) else None,
    )
