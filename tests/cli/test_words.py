"""Words for people."""

from datetime import UTC

import pytest

from smithersd.cli.text.phrases import (
    NODE_STYLES,
    STATUS_STYLES,
    duration,
    event_phrases,
    node_name,
    one_line,
    progress,
)
from smithersd.core.log import events
from smithersd.core.log.states import Cancellation, Interruption, NodeState, RunStatus
from smithersd.elements.kinds import OnDeny
from smithersd.errors import ErrorInfo

ERROR = ErrorInfo("TASK_FAILED", "ValueError", "no\x1b[31m\nway")

SAID = {
    events.RunStarted("release", "r-1"): "run started: release, reusing outputs of r-1",
    events.RunResumed(2, workflow_changed=True): "run resumed; the workflow has changed",
    events.RunStatusChanged(RunStatus.WAITING_APPROVAL): "run waiting-approval",
    events.RunSuspended("stopped"): "run suspended: stopped",
    events.RunFinished(): "run finished",
    events.RunFailed(ERROR): "run failed: ValueError: no\\x1b[31m way",
    events.RunCancelled(): "run cancelled",
    events.FrameCommitted(3, "0" * 64): "frame 3",
    events.NodePending("fix", 0, "task"): "fix pending (task)",
    events.NodeSkipped("fix", 2): "fix#2 skipped",
    events.NodeStarted("fix", 0, 1): "fix started",
    events.NodeFinished("fix", 0, reused_from="r-1"): "fix finished, reused from r-1",
    events.NodeFailed("fix", 0, ErrorInfo("TASK_TIMEOUT", "TaskTimeout", "Too slow."), is_final=True, attempt=2): (
        "fix failed (attempt 2): TASK_TIMEOUT: Too slow."
    ),
    events.NodeInterrupted("fix", 0, 1, Interruption.CRASH): "fix interrupted: crash",
    events.NodeCancelled("fix", 0, Cancellation.ABORTED): "fix cancelled: aborted",
    events.NodeWaitingApproval("ship", 0): "ship waiting-approval",
    events.NodeProgress("fix", 0, 1, 3, 10, "files"): "fix 3/10 files",
    events.TaskHeartbeat("fix", 0, 1, None): "fix heartbeat",
    events.ApprovalRequested("ship", 0, "Ship\nit?", None, None, None, OnDeny.FAIL): "ship asks: Ship it?",
    events.ApprovalGranted("ship", 0, "fine", "ada", None, 0): "ship approved by ada: fine",
    events.ApprovalDenied("ship", 0, None, None, None, 0): "ship denied",
    events.NodeWaitingTimer("nap", 0, 0): "nap waiting-timer",
    events.TimerFired("nap", 0, 7): "nap fired",
    events.TimerFired("night", 0, 3_600_000): "night fired, 1h00m late",
    events.TimerFired("night", 0, -3_600_000, "ada"): "night fired by ada, 1h00m early",
    events.TimerFired("night", 0, -3_600_000): "night fired, 1h00m early",
    events.SignalReceived("paid", 7, 0): "signal paid sent",
    events.SignalReceived("paid", None, 0, "INV\n7", "ada"): "signal paid (INV 7) sent by ada",
    events.NodeWaitingEvent("pay", 0, "paid"): "pay waits for signal paid",
    events.NodeWaitingEvent("pay", 0, "paid", "INV-7", 9): "pay waits for signal paid (INV-7)",
    events.SignalDelivered("pay", 0, 3): "pay took the signal",
    events.SignalRefused("pay", 0, 3, ErrorInfo("INVALID_OUTPUT", "InvalidOutput", "No.")): (
        "pay refused the signal: INVALID_OUTPUT: No."
    ),
    events.SignalTimedOut("pay", 0, 3): "pay timed out",
    events.BranchDecided("large?", 0, value=False): "large? branch: otherwise",
}


@pytest.mark.parametrize(("event", "words"), SAID.items(), ids=[type(event).__name__ for event in SAID])
def test_an_event_is_said_in_a_line(event: events.Event, words: str) -> None:
    [phrase] = event_phrases(event)
    assert phrase.text == words


def test_every_event_has_its_words() -> None:
    timed = {events.NodeRetrying, events.NodeOutput, events.TimerCreated}
    assert {type(event) for event in SAID} | timed == set(events.Event.__args__)


def test_a_retry_says_when() -> None:
    [phrase] = event_phrases(events.NodeRetrying("fix", 0, 2, 1_700_000_000_000))
    assert phrase.text.startswith("fix retrying at ")
    assert phrase.text.endswith(":20 (attempt 2)")


def test_a_retry_is_told_in_the_zone_of_the_time_beside_it_by_its_name() -> None:
    [phrase] = event_phrases(events.NodeRetrying("fix", 0, 2, 1_700_000_000_000), zone=UTC)
    assert phrase.text == "fix retrying at 22:13:20 UTC (attempt 2)"


def test_what_was_printed_keeps_its_lines_and_indents_but_no_control_characters() -> None:
    printed = events.NodeOutput("fix", 0, 1, "a\n\n  b\x1b[2J\x07\r\n", "stderr", truncated=True)
    assert [phrase.text for phrase in event_phrases(printed)] == [
        "fix | a",
        "fix |   b\\x1b[2J\\x07",
        "fix | (output limit reached; further output is not recorded)",
    ]


@pytest.mark.parametrize(
    ("duration_ms", "words"),
    [
        (-5, "0ms"),
        (999, "999ms"),
        (1_000, "1.0s"),
        (59_999, "59.9s"),
        (60_000, "1m00s"),
        (3_599_999, "59m59s"),
        (3_600_000, "1h00m"),
        (86_399_999, "23h59m"),
        (183_600_000, "2d03h"),
    ],
)
def test_durations_are_short(duration_ms: int, words: str) -> None:
    assert duration(duration_ms) == words


def test_text_of_others_becomes_one_printable_line() -> None:
    assert one_line(" a\tb\u2028c\x00 ") == "a b c\\x00"
    assert one_line("no:\n    503\n") == "no: 503"
    assert one_line("x" * 100, length_max=10) == "x" * 9 + "…"
    assert progress(None, None, None) == ""
    assert node_name("fix", 3) == "fix#3"


def test_every_state_has_its_look() -> None:
    assert set(NODE_STYLES) == set(NodeState)
    assert set(STATUS_STYLES) == set(RunStatus)
