"""The live view of a run: its nodes, its status, and the approvals that wait, with the commands that decide them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate

from rich.cells import cell_len, chop_cells
from rich.console import Group, RenderableType
from rich.text import Text

from smithersd.cli.terminal.live_region import Screen
from smithersd.cli.text.approval_lines import approval_lines
from smithersd.cli.text.phrases import STATUS_STYLES, Phrase, duration
from smithersd.cli.text.run_summary import approve_command
from smithersd.cli.text.tree import TreeLine, node_lines, tree_lines
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import NodeState
from smithersd.daemon import command_lines
from smithersd.daemon.report import StartedRun
from smithersd.limits import APPROVAL_LINES_MAX
from smithersd.query.approvals import PendingApproval

_URGENCY = {
    NodeState.FAILED: 0,
    **{state: 1 for state in NodeState if state.is_waiting},
    NodeState.IN_PROGRESS: 2,
}
"""Which nodes are shown first if not all fit; nodes in other states are only counted."""
_COMMANDS_MAX = 3
_NARROW = 60
"""The width below which only the symbol shows the state."""
_NAME_SHARE = 0.45


def live_view(
    started_run: StartedRun,
    screen: Screen,
    *,
    now_ms: int,
    notes: Mapping[NodeKey, str],
    approvals: Mapping[NodeKey, PendingApproval],
) -> RenderableType:
    """Return the view of a run, which fits the screen and leaves one line free."""
    said = [*_waits(started_run, screen, approvals), *_status(started_run, now_ms)]
    foot = [part for line in said for part in _folded(line, screen.width)]
    rows = screen.height - 1 - len(foot)
    if rows <= 0:
        return Group(*foot[1 - screen.height :])
    return Group(*_nodes(started_run, rows, screen.width, now_ms, notes), *foot)


def _nodes(started_run: StartedRun, rows: int, width: int, now_ms: int, notes: Mapping[NodeKey, str]) -> Iterator[Text]:
    engine = started_run.engine
    if len(engine.state.nodes) <= rows:
        lines = list(tree_lines(engine.tree, engine.state, now_ms=now_ms, notes=notes))
        if len(lines) <= rows:
            yield from _aligned(lines, width)
            return
    shown = _urgent(list(engine.state.nodes.values()), rows)
    yield from _aligned(list(node_lines(engine.state, shown, now_ms=now_ms, notes=notes)), width)


def _urgent(nodes: Sequence[NodeRecord], rows: int) -> list[NodeKey]:
    """Return the most urgent active nodes; of equally urgent ones those that started first."""
    active = [node for node in nodes if node.state in _URGENCY]
    active.sort(key=lambda node: (_URGENCY[node.state], node.started_at_ms or 0))
    return [node.key for node in active[:rows]]


def _aligned(lines: Sequence[TreeLine], width: int) -> Iterator[Text]:
    """Yield lines with their cells aligned in columns, each cut to the screen's width."""
    pieces = [line.phrases() for line in lines]
    if width < _NARROW:
        pieces = [[name, elapsed, detail] for name, _, elapsed, detail in pieces]
    widths = [max(cell_len(piece.text) for piece in column) for column in zip(*pieces, strict=True)]
    if widths:
        widths[0] = min(widths[0], int(width * _NAME_SHARE))
    for line in pieces:
        text = Text()
        for piece, cells in zip(line[:-1], widths, strict=False):
            text.append(_sized(piece, cells)).append("  ")
        text.append(line[-1].text, line[-1].style)
        if not any(piece.text for piece in line[1:]):
            text = Text(line[0].text, line[0].style)  # a container's name may use the whole line
        text.rstrip()
        text.truncate(width, overflow="ellipsis")
        yield text


def _sized(piece: Phrase, cells: int) -> Text:
    text = Text(piece.text, piece.style)
    text.truncate(cells, overflow="ellipsis", pad=True)
    return text


def _waits(started_run: StartedRun, screen: Screen, approvals: Mapping[NodeKey, PendingApproval]) -> list[Text]:
    """Return the first approval, and the commands that approve; fewer of them on a small screen."""
    state = started_run.engine.state
    waiting = [node.key for node in state.awaiting_approval]
    if not waiting:
        return []
    shown = min(_COMMANDS_MAX, max(1, screen.height // 8))
    lines = [Text(f"➜ {approve_command(started_run, key)}", "bold yellow") for key in waiting[:shown]]
    if waiting[0] in approvals:
        lines = [*_approval(started_run, screen, approvals[waiting[0]]), *lines]
    if len(waiting) > shown:
        lines.append(Text(f"  and {len(waiting) - shown} more: smithers inspect {state.run_id}", "yellow"))
    return lines


def _approval(started_run: StartedRun, screen: Screen, approval: PendingApproval) -> Iterator[Text]:
    whole = command_lines.inspect(started_run.engine.run_id, storage=started_run.storage)
    lines_max = min(APPROVAL_LINES_MAX, screen.height // 3)
    for line in approval_lines(approval, lines_max=lines_max, whole=whole, width=screen.width):
        yield Text(line.text, line.style)


def _status(started_run: StartedRun, now_ms: int) -> Iterator[Text]:
    """Yield the status of a run that is not at rest; the closing lines show that of one that is."""
    state = started_run.engine.state
    if state.status.is_at_rest:
        return
    started_at_ms = state.started_at_ms or now_ms
    took_ms = now_ms - started_at_ms
    counts = ", ".join(f"{count} {name}" for name, count in state.summary.items())
    limit = "" if state.times_out_at_ms is None else f" of {duration(state.times_out_at_ms - started_at_ms)}"
    yield Text.assemble((state.status.value, STATUS_STYLES[state.status]), f" {duration(took_ms)}{limit}: {counts}")
    if started_run.engine.problem is not None:
        yield Text(f"Waiting for the store: {started_run.engine.problem}", "bold red")


def _folded(line: Text, width: int) -> Iterable[Text]:
    """Break a line at the screen's width and not between words, so that a command can be copied."""
    lengths = [len(part) for part in chop_cells(line.plain, width)]
    return line.divide(list(accumulate(lengths))[:-1])
