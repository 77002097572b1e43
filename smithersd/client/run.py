"""The protocol of a run as seen from outside, wherever the run is.

Everything that it returns can be sent as JSON, so that a run in a store and a run behind a URL can keep the same
promises. `tests/client/conformance.py` tests these promises for every implementation.
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
from smithersd.query.waits import PendingWait


class RequestStage(StrEnum):
    """How far an accepted request has come."""

    ACCEPTED = "accepted"
    """It is durable; the run's driver, or the next one, will apply it."""
    APPLIED = "applied"
    """Its effect is in the run's log."""
    REPEATED = "repeated"
    """The same was decided before; nothing has changed."""


class DecisionFields(TypedDict, total=False):
    """The optional fields of a decision; without `iteration` the only iteration that waits is meant."""

    iteration: int | None
    note: str | None
    decided_by: str | None
    decision: JsonValue


class Run(Protocol):
    """One run, as seen from outside.

    Reads return the run as it is now. An accepted request is durable: it survives the end of every process. If a
    process drives the run, a request returns once its effect can be read, or after APPLIED_WAIT_S seconds.

    Every method raises RunNotFound if there is no such run, and StoreUnavailable if it cannot be reached at present.
    After StoreUnavailable the same call can be repeated; nothing is done twice.
    """

    @property
    def run_id(self) -> str:
        """The run's id."""

    async def info(self) -> RunInfo:
        """Return the run's status and its driver."""

    async def state(self) -> RunState:
        """Return the run's state, folded from its events."""

    async def snapshot(self) -> Snapshot:
        """Return everything about the run, as of one moment."""

    async def nodes(self) -> list[NodeRecord]:
        """Return the node iterations in tree order; those that are no longer in the tree come last."""

    async def node(self, node_id: str) -> list[NodeRecord]:
        """Return the iterations of a node with their attempts, ascending.

        Raises:
            NodeNotFound: the run has no such node.
        """

    async def output(self, node_id: str, iteration: int) -> str | None:
        """Return the output of a node iteration as JSON text; None if it has none."""

    async def result(self) -> str:
        """Return the run's result as JSON text.

        Raises:
            ResultNotFound: the run has not ended, did not finish, or its workflow ends without an output.
        """

    async def frames(self, *, after_frame_no: int | None = None, limit: int) -> list[Json]:
        """Return frames, the newest first; those after `after_frame_no` oldest first.

        There are at most `limit`, and fewer if they are large, but at least one if there is any.
        """

    def events(self, *, after_seq: int = -1) -> AsyncIterator[Sequence[Encoded]]:
        """Yield the events after a seq in order, page by page, up to the log's current end; `data` is their JSON."""

    def follow(self, *, after_seq: int = -1) -> AbstractAsyncContextManager[AsyncIterator[Sequence[Encoded]]]:
        """Yield the events after a seq in batches, as they are written, until the run has ended."""

    async def waits(self) -> list[PendingWait]:
        """Return everything that the run waits for, the longest waiting first: approvals, timers, signals, retries."""

    async def approvals(self) -> list[PendingApproval]:
        """Return the approvals that are pending and not decided yet, the longest waiting first."""

    async def approval(self, node_id: str, *, iteration: int | None = None) -> PendingApproval:
        """Return a node's approval, pending or decided; without an iteration, the last one that was requested.

        Raises:
            ApprovalNotPending: the node has never requested one.
        """

    async def select_approval(self) -> NodeKey:
        """Return the only pending approval; if none is pending, the one that was decided last.

        So whoever repeats a decision learns that it stands, or who was first.

        Raises:
            ApprovalNotPending: none is pending, and none was decided.
            ApprovalAmbiguous: several are pending; details list them.
        """

    async def approve(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Approve a node's pending approval; the run continues at once.

        Raises:
            NodeNotFound: the run has no such node.
            ApprovalAmbiguous: no iteration is given and several are pending; details list them.
            ApprovalAlreadyDecided: it was decided differently before; details say by whom, when and how.
            ApprovalNotPending: the node has no pending approval.
            RunNotActive: the run has ended, or is being cancelled.
        """

    async def deny(self, node_id: str, **decision: Unpack[DecisionFields]) -> RequestStage:
        """Deny a node's pending approval, with the errors of `approve`; its on_deny says what follows."""

    async def fire(self, node_id: str, *, iteration: int | None = None, fired_by: str | None = None) -> RequestStage:
        """Fire a timer now, before its time; one that has fired is left as it is.

        Raises:
            NodeNotFound: the run has no such node.
            TimerNotPending: the node is not a timer that is waiting.
            InvalidRequest: no iteration is named and several wait.
            RunNotActive: the run has ended, or is being cancelled.
        """

    async def signal(
        self, name: str, data: JsonValue = None, *, key: str | None = None, sent_by: str | None = None
    ) -> RequestStage:
        """Send the run a signal; the node that waits for this name and key takes it, or the first that will.

        Signals of the same name and key are delivered in the order in which they came, each once.

        Raises:
            InvalidRequest: the name, the key or the data cannot be sent, or do not fit the node that waits; that is
                found out here only if this process drives the run, else the node refuses it with SignalRefused.
            TooManySignals: the run keeps as many signals as it may that no node has taken.
            RunNotActive: the run has ended, or is being cancelled.
        """

    async def cancel(self, *, requested_by: str | None = None) -> RequestStage:
        """Cancel the run; a repeated request changes nothing. A run without a driver has ended when this returns.

        Raises:
            RunNotActive: the run has ended.
        """
