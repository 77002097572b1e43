"""A run's tree as lines, for `inspect` and for the live view of `up`."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from smithersd.cli.text.phrases import (
    INTERRUPTED_STYLE,
    NODE_STYLES,
    Phrase,
    Style,
    duration,
    error_phrase,
    node_name,
    one_line,
    time_of_day,
    wait_phrases,
)
from smithersd.core.kinds.registry import kind_named
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey, NodeRecord
from smithersd.core.log.states import AttemptState, NodeState
from smithersd.core.tree.facts import Tree, is_container, key_of
from smithersd.elements.texts import POSITION_MARK
from smithersd.query.run_info import INTERRUPTED

_INDENT = "  "


@dataclass(frozen=True, slots=True)
class TreeLine:
    """The line of an element, or of one iteration of a node.

    `node` is None for containers and for nodes that do not exist yet.
    """

    depth: int
    name: str
    node: NodeRecord | None
    style: Style
    state: str
    elapsed: str
    detail: str

    def phrases(self) -> list[Phrase]:
        """Return the cells of the line: symbol and name, state, elapsed time, detail."""
        head = Phrase(f"{_INDENT * self.depth}{self.style.symbol} {self.name}", self.style.style)
        return [head, Phrase(self.state, self.style.style), Phrase(self.elapsed, "dim"), Phrase(self.detail)]


def tree_lines(
    tree: Tree,
    run: RunState,
    *,
    now_ms: int,
    is_driven: bool = True,
    notes: Mapping[NodeKey, str] | None = None,
) -> Iterator[TreeLine]:
    """Yield a line for each element of a run's tree, iterations ascending; nodes no longer in the tree come last.

    Without a driver (`is_driven`) attempts in progress are shown as interrupted. `notes` are texts that are added to
    the lines of nodes, such as their progress.
    """
    records: dict[str, list[NodeRecord]] = defaultdict(list)
    for key in sorted(run.nodes):
        records[key[0]].append(run.nodes[key])
    lines = _LineBuilder(run, now_ms, is_driven, notes or {})
    for depth, element in walk(folded(tree)):
        yield from lines.of_element(depth, element, records.pop(element["id"], []))
    for dropped in records.values():
        yield from (lines.of_node(0, record) for record in dropped)


def node_lines(
    run: RunState, keys: Iterable[NodeKey], *, now_ms: int, notes: Mapping[NodeKey, str]
) -> Iterator[TreeLine]:
    """Yield lines for some nodes of a driven run, without their tree."""
    lines = _LineBuilder(run, now_ms, is_driven=True, notes=notes)
    for key in keys:
        yield lines.of_node(0, run.nodes[key])


def folded(tree: Tree) -> Tree:
    """Return the tree without the unnamed containers that have only one child."""
    if not is_container(tree):
        return tree
    if len(tree["children"]) == 1 and _is_unnamed(tree):
        return folded(tree["children"][0])
    return {**tree, "children": [folded(child) for child in tree["children"]]}


def _is_unnamed(element: Tree) -> bool:
    return bool(element["id"].startswith(POSITION_MARK)) and not element.keys() & {"label", "maxConcurrency"}


def walk(tree: Tree, depth: int = 0) -> Iterator[tuple[int, Tree]]:
    """Yield each element of a tree with its depth, in tree order."""
    yield depth, tree
    for child in tree.get("children", ()):
        yield from walk(child, depth + 1)


def element_name(element: Tree) -> str:
    """Return the name of an element; for a container its kind, with the label or id that the author gave."""
    if not is_container(element):
        return str(element["id"])
    limit = f" (at most {element['maxConcurrency']} at once)" if "maxConcurrency" in element else ""
    given = "" if element["id"].startswith(POSITION_MARK) else f" {element['id']}"
    called = f' "{one_line(element["label"])}"' if "label" in element else given
    return f"{element['kind']}{called}{limit}"


@dataclass(frozen=True, slots=True)
class _LineBuilder:
    run: RunState
    now_ms: int
    is_driven: bool
    notes: Mapping[NodeKey, str]

    def of_element(self, depth: int, element: Tree, records: list[NodeRecord]) -> Iterator[TreeLine]:
        if records:
            yield from (self.of_node(depth, record) for record in records)
        elif is_container(element):
            yield self._of_container(depth, element)
        else:
            # Its branch is not decided yet, or was decided the other way.
            yield TreeLine(depth, element_name(element), None, NODE_STYLES[NodeState.PENDING], "", "", "")

    def of_node(self, depth: int, node: NodeRecord) -> TreeLine:
        style = NODE_STYLES[node.state]
        state = node.state.value
        if node.state is NodeState.IN_PROGRESS and not self.is_driven:
            style, state = Style(style.symbol, INTERRUPTED_STYLE), INTERRUPTED
        name = node_name(node.node_id, node.iteration)
        return TreeLine(depth, name, node, style, state, self._elapsed(node), self._detail(node))

    def _of_container(self, depth: int, element: Tree) -> TreeLine:
        decided = self.run.branches.get(key_of(element))
        detail = "" if decided is None else kind_named(element["kind"]).child_names[0 if decided.value else 1]
        return TreeLine(depth, element_name(element), None, Style("┬", "dim"), "", "", detail)

    def _elapsed(self, node: NodeRecord) -> str:
        started_ms = node.started_at_ms
        if started_ms is None:
            started_ms = node.waits_since_ms
        if started_ms is None:
            return ""
        if node.finished_at_ms is None and not self.is_driven and node.state is NodeState.IN_PROGRESS:
            return ""
        return duration((node.finished_at_ms or self.now_ms) - started_ms)

    def _detail(self, node: NodeRecord) -> str:
        return ", ".join(part for part in (*_facts(node), self.notes.get(node.key, "")) if part)


def _facts(node: NodeRecord) -> Iterator[str]:
    if node.attempt > 1:
        yield f"attempt {node.attempt}"
    if node.retry_at_ms is not None:
        yield f"next attempt at {time_of_day(node.retry_at_ms)}"
    yield from wait_phrases(node)
    if node.reused_from is not None:
        yield f"reused from {node.reused_from}"
    last_error = next((record.error for record in reversed(node.attempts) if record.state is AttemptState.FAILED), None)
    error = node.error or (None if node.state is NodeState.FINISHED else last_error)
    if error is not None:
        yield error_phrase(error)
