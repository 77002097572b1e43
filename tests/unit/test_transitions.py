"""The table of transitions: whole, and of states that the enums have."""

from collections.abc import Iterable
from dataclasses import fields
from enum import StrEnum
from typing import Any

from smithersd.core.log import events
from smithersd.core.log.events import Event
from smithersd.core.log.states import AttemptState, NodeState, RunStatus, WaitKind, WaitStatus
from smithersd.core.log.transitions import (
    TRANSITIONS,
    Move,
    attempt_state_after,
    node_state_after,
    run_status_after,
)
from smithersd.errors import ErrorInfo

_ERROR = ErrorInfo("TASK_FAILED", "ValueError", "bad")


def _reached(moves: Iterable[Move[Any] | None]) -> set[StrEnum]:
    return {target for move in moves if move is not None for _, target in move.edges()}


def test_every_event_has_its_line_in_the_table() -> None:
    assert set(TRANSITIONS) == set(Event.__args__)


def test_every_event_about_a_node_says_what_becomes_of_it() -> None:
    for event_class, transition in TRANSITIONS.items():
        is_about_node = (
            "node_id" in {field.name for field in fields(event_class)} and event_class is not events.BranchDecided
        )
        assert (transition.node is not None) is is_about_node, event_class


def test_no_event_leaves_a_final_state() -> None:
    for transition in TRANSITIONS.values():
        assert not any(status is not None and status.is_final for status in transition.run.sources)
        left = () if transition.node is None else transition.node.sources
        assert {state for state in left if state is not None and state.is_final} <= {NodeState.FAILED}, "a retry only"


def test_every_state_that_a_run_attempt_or_wait_can_have_is_reached() -> None:
    every = TRANSITIONS.values()
    # A run that another goes on for is kept in the vocabulary; nothing leads there yet.
    assert _reached([one.run for one in every]) == set(RunStatus) - {RunStatus.CONTINUED}
    assert _reached([one.attempt for one in every]) == set(AttemptState)
    assert _reached([one.wait for one in every]) == set(WaitStatus)


def test_every_node_state_that_an_element_can_bring_about_is_reached() -> None:
    reached = _reached([one.node for one in TRANSITIONS.values()])
    assert set(NodeState) - reached <= {NodeState.WAITING_TIMER, NodeState.WAITING_EVENT}


def test_the_state_after_an_event_is_said_without_a_run() -> None:
    assert node_state_after(events.NodeStarted("a", 0, 1)) is NodeState.IN_PROGRESS
    assert attempt_state_after(events.NodeStarted("a", 0, 1)) is AttemptState.IN_PROGRESS
    assert node_state_after(events.NodeOutput("a", 0, 1, "x", "stdout")) is None
    assert node_state_after(events.RunFinished()) is None
    assert run_status_after(events.RunFinished()) is RunStatus.FINISHED
    assert run_status_after(events.NodeStarted("a", 0, 1)) is None
    waiting = events.RunStatusChanged(RunStatus.WAITING_APPROVAL)
    assert run_status_after(waiting) is RunStatus.WAITING_APPROVAL


def test_an_end_without_an_attempt_brings_no_attempt_anywhere() -> None:
    assert attempt_state_after(events.NodeFailed("a", 0, _ERROR, is_final=True)) is None
    assert attempt_state_after(events.NodeFailed("a", 0, _ERROR, is_final=True, attempt=1)) is AttemptState.FAILED


def test_every_kind_of_wait_is_opened_and_ended_by_events() -> None:
    for kind in set(WaitKind) - {WaitKind.RETRY}:  # a retry is due by the failure before it
        moves = [one.wait for one in TRANSITIONS.values() if one.wait is not None and one.wait.kind is kind]
        assert {move.target for move in moves} == {WaitStatus.OPEN, None, WaitStatus.ENDED}, kind
