"""An approval as lines, as `up`, `ps`, `inspect`, `approve` and `deny` print it, with all that a decision needs."""

from collections.abc import Iterator, Sequence

from smithersd.cli.text.columns import wrapped
from smithersd.cli.text.phrases import Phrase, node_name, one_line
from smithersd.cli.text.value_lines import value_lines
from smithersd.limits import APPROVAL_LINE_LENGTH_MAX
from smithersd.query.approvals import PendingApproval

_HEAD_STYLE = "yellow"
_SHOWN_MARK = "| "
_INDENT = "  "


def approval_lines(
    approval: PendingApproval, *, lines_max: int, whole: str, width: int | None = None, verb: str = "asks"
) -> list[Phrase]:
    """Return an approval's lines: title, summary, metadata, and the output that it shows.

    After the title there are at most `lines_max` lines, wrapped to `width` cells if that is given. If something is
    left out, one more line names `whole`, the command that shows everything.
    """
    head = Phrase(f"{node_name(approval.node_id, approval.iteration)} {verb}: {one_line(approval.title)}", _HEAD_STYLE)
    return [head, *(Phrase(f"{_INDENT}{line}", is_whole=True) for line in _details(approval, lines_max, whole, width))]


def _details(approval: PendingApproval, lines_max: int, whole: str, width: int | None) -> Iterator[str]:
    said = [block for block in (_summary(approval), _metadata(approval), _shown(approval)) if block]
    is_cut = approval.is_cut or any(len(line) > APPROVAL_LINE_LENGTH_MAX for block in said for line in block)
    blocks = [list(_broken(block, width)) for block in said]
    for place, block in enumerate(blocks):
        room = max(1, lines_max // (len(blocks) - place))
        is_cut = is_cut or len(block) > room
        yield from block if len(block) <= room else [*block[: room - 1], f"… {len(block) - room + 1} more lines"]
        lines_max -= min(room, len(block))
    if is_cut:
        yield f"All of it: {whole}"


def _summary(approval: PendingApproval) -> list[str]:
    return [] if approval.summary is None else approval.summary.strip().splitlines()


def _metadata(approval: PendingApproval) -> list[str]:
    if approval.metadata is None:
        return []
    lines = value_lines(approval.metadata)
    return lines if isinstance(approval.metadata, dict) else ["Metadata:", *(f"{_INDENT}{line}" for line in lines)]


def _shown(approval: PendingApproval) -> list[str]:
    if approval.show is None:
        return []
    name = f"Output of {approval.show}:"
    lines = value_lines(approval.shown)
    if len(lines) == 1:
        return [f"{name} {lines[0]}"]
    return [name, *(_SHOWN_MARK + line for line in lines)]


def _broken(lines: Sequence[str], width: int | None) -> Iterator[str]:
    for line in lines:
        text = one_line(line, is_indented=True, length_max=APPROVAL_LINE_LENGTH_MAX)
        if width is None:
            yield text
            continue
        mark = _SHOWN_MARK if text.startswith(_SHOWN_MARK) else ""
        for part in wrapped(text.removeprefix(mark), width - len(_INDENT) - len(mark)):
            yield mark + part
