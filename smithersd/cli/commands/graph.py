"""smithers graph: show a workflow's tree without running it."""

import json
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout

import click

from smithersd.cli.args.inputs import input_options, read_input
from smithersd.cli.args.options import debug_option, json_option
from smithersd.cli.terminal.output import say, say_columns, say_json
from smithersd.cli.text.columns import Line
from smithersd.cli.text.phrases import Phrase, duration, fact_phrases
from smithersd.cli.text.tree import element_name, folded, walk
from smithersd.core.kinds.registry import kind_named
from smithersd.core.tree.facts import Tree, is_container
from smithersd.engine import UNSET, load_workflow
from smithersd.engine.loading.dry_render import dry_render

_RUN_ID = "graph"
"""The value of `ctx.run_id` in the rendering."""
_INDENT = "  "


@click.command("graph", short_help="Show a workflow's tree without running it.")
@click.argument("workflow", metavar="WORKFLOW.py[:name]")
@input_options
@json_option
@debug_option
def command(workflow: str, given_input: str | None, given_keys: tuple[str, ...], *, is_json: bool) -> None:
    """Show a workflow's tree as a new run would render it: its elements, their dependencies and options.

    Nothing is run or written. The contents of a lazy subtree are shown only if it reads no output.
    """
    text = read_input(given_input, given_keys)
    # Keep what the workflow file prints out of the JSON.
    with redirect_stdout(sys.stderr):
        source = load_workflow(workflow)
        tree = dry_render(source.workflow, run_id=_RUN_ID, input=UNSET if text is None else json.loads(text))
    if is_json:
        say_json({"workflowName": source.workflow.name, "workflowPath": source.path, "tree": tree})
    else:
        timeout_s = source.workflow.timeout_s
        timeout = "" if timeout_s is None else f"  timeout {duration(round(timeout_s * 1000))}"
        say(Phrase(source.workflow.name, "bold"), Phrase(timeout, "dim"))
        say_columns([_line(depth + 1, element, side) for depth, element, side in _sides(tree)])


def _sides(tree: Tree) -> Iterator[tuple[int, Tree, str]]:
    """Yield each element with its depth and, for a child of a branch, the name of its side."""
    sides: dict[int, str] = {}
    for depth, element in walk(folded(tree)):
        names = kind_named(element["kind"]).child_names
        if names:
            sides |= {id(child): side for side, child in zip(names, element["children"], strict=False)}
        yield depth, element, sides.get(id(element), "")


def _line(depth: int, element: Tree, side: str) -> Line:
    is_node = _is_node(element)
    head = f"{_INDENT * depth}{side + ': ' if side else ''}{element_name(element)}"
    kind = element["kind"] if is_node else ""
    return [Phrase(head, "" if is_node else "dim"), Phrase(kind, "cyan"), Phrase(", ".join(_facts(element)), "dim")]


def _facts(element: Tree) -> Iterator[str]:
    yield from fact_phrases({name: fact for name, fact in element.items() if name != "label" or _is_node(element)})
    if kind_named(element["kind"]).is_rendered_late and not element["children"]:
        yield "rendered when the flow reaches it"


def _is_node(element: Tree) -> bool:
    return not is_container(element)
