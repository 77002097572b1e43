"""The port through which everything is done with a run from outside, wherever the run is.

What it gives can travel as JSON: a run in a store and a run behind a URL keep the same promises, which
`tests/client/conformance.py` states once for all.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Protocol, TypedDict, Unpack

from smithersd.core.log.events import JsonValue
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.feed import Encoded
from smithersd.query.approvals import PendingApproval
from smithersd.query.json import Json
from smithersd.query.run_info import RunInfo
from smithersd.query.snapshot import Snapshot


class RequestStage(StrEnum):
    """How far an accepted request has come."""

    ACCEPTED = "accepted"
    """It is durable. Whoever drives the run applies it, or whoever resumes it."""
    APPLIED = "applied"
    """The run's log says what came of it."""
    REPEATED = "repeated"
    """The same had been decided before; nothing has changed."""


class DecisionFields(TypedDict, total=False):
    """What may come with a decision: the iteration (else the only one that waits), why, by whom, and what more."""

    iteration: int | None
    note: str | None
    decided_by: str | None
    decision: JsonValue


class Run(Protocol):
    """One run, from outside.

    Reading gives the run as it is now. A request that was accepted is durable: it survives every process. Where
    somebody drives the run, a request returns once its effect can be read, or after APPLIED_WAIT_S.

    Every method raises RunNotFound where there is no such run, and StoreUnavailable where it cannot be reached at
    present; then the same call again is right, and does nothing twice.
    """

    @property
    def run_id(self) -> str:
        """Its id."""

    async def info(self) -> RunInfo:
        """Return how the run stands and who drives it."""

    async def state(self) -> RunState:
        """Return what the run's events have made of it: they can be folded wherever they can be read."""

    async def snapshot(self) -> Snapshot:
        """Return all of the run, as of one moment."""

    async def nodes(self) -> list[NodeRecord]:
        """Return the node iterations in tree order; those that the tree has dropped come last."""

    async def node(self, node_id: str) -> list[NodeRecord]:
        """Return the iterations of a node with their attempts, ascending.

        Raises:
            NodeNotFound: the run has no such node.
        """

    async def output(self, node_id: str, iteration: int) -> str | None:
        """Return the output of a node iteration as JSON text; None where it has none."""

    async def frames(self, *, after_frame_no: int | None = None, limit: int) -> list[Json]:
        """Return frames, the newest first; those after `after_frame_no` oldest first.

        There are at most `limit`, and fewer where they are large, but at least one if there is one.
        """

    def events(self, *, after_seq: int = -1) -> AsyncIterator[Sequence[Encoded]]:
        """Yield the events after a seq in order, page by page, as far as the log goes now. Their data is their JSON."""

    def follow(self, *, after_seq: int = -1) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Encoded]]]:
        """Yield the events after a seq as they come, as many as there are at once, until the run has ended."""

    async def approvals(self) -> list[PendingApproval]:
        """Return what waits for a person and was not decided yet, the longest waiting first."""

    async def approval(self, node_id: str, *, iteration: int | None = None) -> PendingApproval:
        """Return what a node asks, or has asked; without an iteration that which it asked last.

        Raises:
            ApprovalNotPending: the node has never asked.
        """

    async def select_approval(self) -> NodeKey:
        """Return the only approval that waits, or where none does the one that was decided last.

        So who says a decision again hears that it stands, or who was first.

        Raises:
            ApprovalNotPending: none waits, and none was decided.
            ApprovalAmbiguous: several wait; details list them.
        """

    async def approve(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Approve what a node asks; the run goes on at once.

        Raises:
            NodeNotFound: the run has no such node.
            ApprovalAmbiguous: no iteration is named and several wait; details list them.
            ApprovalAlreadyDecided: somebody decided otherwise; details say who, when and what.
            ApprovalNotPending: the node waits for no decision.
            RunNotActive: the run has ended, or is being cancelled.
        """

    async def deny(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Deny what a node asks, with the errors of `approve`; the approval's on_deny says what becomes of the run."""

    async def fire(self, node_id: str, *, iteration: int | None = None, fired_by: str | None = None) -> RequestStage:
        """Fire a timer now, before its time; one that has fired is left as it is.

        Raises:
            NodeNotFound: the run has no such node.
            TimerNotPending: the node is not a timer that waits.
            InvalidRequest: no iteration is named and several wait.
            RunNotActive: the run has ended, or is being cancelled.
        """

    async def cancel(self, *, requested_by: str | None = None) -> RequestStage:
        """End the run for good; a second request is the first. One that nobody drives has ended when this returns.

        Raises:
            RunNotActive: it has ended already.
        """
