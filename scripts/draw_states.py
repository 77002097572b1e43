"""Draw the states and what leads from one to the next, from the table that the program runs by.

Writes docs/states.svg. Each state is a column, each event that changes states a row: a dot where it may start, an arrow
where it leads.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from smithersd.core.log.states import AttemptState, NodeState, RunStatus, WaitStatus
from smithersd.core.log.transitions import TRANSITIONS

Edge = tuple[str | None, str]
"""From which state to which; from None: it is new."""

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "states.svg"

EVENT_WIDTH = 190
COLUMN_WIDTH = 116
ROW_HEIGHT = 26
HEADER_HEIGHT = 72
MARGIN = 20

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.box { fill: none; stroke: #59636e }
.column { stroke: #d1d9e0 }
.move { stroke: #0969da; stroke-width: 1.5 }
.mark { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .box { stroke: #9198a1 }
  .column { stroke: #3d444d }
  .move { stroke: #4493f8 }
  .mark { fill: #4493f8 }
}
"""


def picture() -> str:
    """Return the whole picture as SVG."""
    parts: list[str] = []
    top, width = MARGIN, 0
    for title, field, states in (
        ("A run", "run", list(RunStatus)),
        ("A node", "node", list(NodeState)),
        ("An attempt", "attempt", list(AttemptState)),
        ("A wait", "wait", list(WaitStatus)),
    ):
        rows = _rows(field)
        reached = {state for _, edges in rows for edge in edges for state in edge}
        columns = [None, *(state.value for state in states if state.value in reached)]
        parts += _machine(title, columns, rows, top)
        top += HEADER_HEIGHT + ROW_HEIGHT * len(rows) + 2 * MARGIN
        width = max(width, EVENT_WIDTH + COLUMN_WIDTH * len(columns) + 2 * MARGIN)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" width="{width}" height="{top}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>", ""])


def _rows(field: str) -> list[tuple[str, list[Edge]]]:
    """The events that change the state of such a thing, and how."""
    moves = {event_class.__name__: getattr(one, field) for event_class, one in TRANSITIONS.items()}
    rows = ((event, move.edges()) for event, move in moves.items() if move is not None)
    return [
        (event, [(None if source is None else source.value, target.value) for source, target in edges])
        for event, edges in rows
        if edges
    ]


def _machine(title: str, columns: list[str | None], rows: list[tuple[str, list[Edge]]], top: int) -> Iterable[str]:
    middle = {
        state: MARGIN + EVENT_WIDTH + COLUMN_WIDTH * index + COLUMN_WIDTH // 2 for index, state in enumerate(columns)
    }
    bottom = top + HEADER_HEIGHT + ROW_HEIGHT * len(rows)
    yield f'<text class="title" x="{MARGIN}" y="{top + 16}">{title}</text>'
    for state, x in middle.items():
        yield f'<line class="column" x1="{x}" y1="{top + 54}" x2="{x}" y2="{bottom}"/>'
        if state is None:
            yield f'<text text-anchor="middle" x="{x}" y="{top + 46}">(new)</text>'
            continue
        yield f'<rect class="box" x="{x - 54}" y="{top + 30}" width="108" height="24" rx="5"/>'
        yield f'<text text-anchor="middle" x="{x}" y="{top + 46}">{state}</text>'
    for index, (event, edges) in enumerate(rows):
        yield from _row(event, edges, middle, top + HEADER_HEIGHT + ROW_HEIGHT * index + 8)


def _row(event: str, edges: list[Edge], middle: dict[str | None, int], y: int) -> Iterable[str]:
    sources, targets = {source for source, _ in edges}, {target for _, target in edges}
    ends = [middle[one] for one in sources | targets]
    yield f'<text x="{MARGIN}" y="{y + 4}">{event}</text>'
    yield f'<line class="move" x1="{min(ends)}" y1="{y}" x2="{max(ends)}" y2="{y}"/>'
    for source in sorted(sources - targets, key=lambda one: middle[one]):
        yield f'<circle class="mark" cx="{middle[source]}" cy="{y}" r="3.5"/>'
    for target in sorted(targets, key=lambda one: middle[one]):
        x = middle[target]
        if any(end < x for end in ends):
            yield f'<path class="mark" d="M{x} {y} l-9 -5 v10 z"/>'
        if any(end > x for end in ends):
            yield f'<path class="mark" d="M{x} {y} l9 -5 v10 z"/>'


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    sys.stdout.write(f"{PICTURE}\n")
