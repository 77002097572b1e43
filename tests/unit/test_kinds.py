"""What is true of one kind of element is said in its element and in its kind, and nowhere else."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import find

import smithersd
from smithersd import elements
from smithersd.cli.text.phrases import NODE_STYLES
from smithersd.cli.text.tree import walk
from smithersd.core.kinds.node_kind import NodeKind
from smithersd.core.kinds.registry import KINDS, NODE_KINDS, kind_of
from smithersd.core.tree.facts import Tree
from smithersd.elements import Element
from smithersd.elements.container import Container
from smithersd.engine.loading.dry_render import dry_render
from tests.docs.documents import document
from tests.properties.trees import trees, workflow_of

PACKAGE = Path(smithersd.__file__).parent
AT_HOME = (PACKAGE / "elements", PACKAGE / "core" / "kinds")
ABROAD = [path for path in sorted(PACKAGE.rglob("*.py")) if not any(home in path.parents for home in AT_HOME)]

ELEMENTS: dict[str, type[Element[object]]] = {
    name: exported
    for name in smithersd.__all__
    if inspect.isclass(exported := getattr(smithersd, name))
    and issubclass(exported, Element)
    and exported is not Element
}
ELEMENT_NAMES = {*ELEMENTS, "Element", "Node", "Container"}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(PACKAGE)}:{getattr(node, 'lineno', '?')}: {ast.unparse(node)}"


def questions_of_class(tree: ast.Module) -> Iterator[ast.AST]:
    """Where a source asks whether something is of an element class: isinstance, issubclass, a class pattern."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
                if {one.id for one in ast.walk(classes) if isinstance(one, ast.Name)} & ELEMENT_NAMES:
                    yield node
            case ast.MatchClass(cls=ast.Name(id=name)) if name in ELEMENT_NAMES:
                yield node
            case _:
                pass


def literal_kinds(tree: ast.Module) -> Iterator[ast.AST]:
    """Where a kind stands as a text; executors, waits, requests and commands have names of their own."""
    names: set[ast.AST] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=function, args=[name, *_]) if ast.unparse(function) in {"Executor", "click.command"}:
                names.add(name)
            case ast.ClassDef(name="WaitKind" | "RequestKind") | ast.Assign(targets=[ast.Name(id="_COMMANDS")]):
                names |= {inner for inner in ast.walk(node) if isinstance(inner, ast.Constant)}
            case _:
                pass
    return (
        node for node in ast.walk(tree) if isinstance(node, ast.Constant) and node.value in KINDS and node not in names
    )


def literal_iterations(tree: ast.Module) -> Iterator[ast.AST]:
    """Where 0 stands for an iteration: in a key, as an argument or a default, in a comparison."""
    for node in ast.walk(tree):
        match node:
            case ast.Tuple(elts=[ast.Name() | ast.Attribute() | ast.Subscript(), ast.Constant(value=number)]):
                if number == 0 and type(number) is int:
                    yield node
            case ast.Call(func=ast.Attribute(value=ast.Name(id="events")), args=[_, ast.Constant(value=int()), *_]):
                yield node
            case ast.keyword(arg="iteration", value=ast.Constant(value=int())):
                yield node
            case ast.Compare(left=left, comparators=[ast.Constant(value=0)]) if "iteration" in ast.unparse(left):
                yield node
            case ast.BoolOp(values=[first, ast.Constant(value=0)]) if "iteration" in ast.unparse(first):
                yield node
            case ast.arguments(posonlyargs=before, args=after, defaults=defaults):
                args = before + after
                named = zip(args[len(args) - len(defaults) :], defaults, strict=True)
                yield from (value for arg, value in named if arg.arg == "iteration")
            case _:
                pass


def kinds_in(tree: Tree) -> set[str]:
    return {element["kind"] for _, element in walk(tree)}


@pytest.mark.parametrize("path", ABROAD, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_outside_the_kinds_nobody_asks_for_the_class_of_an_element_or_names_a_kind(path: Path) -> None:
    tree = parsed(path)
    assert not [where(path, node) for node in (*questions_of_class(tree), *literal_kinds(tree))]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_iteration_is_written_into_the_source(path: Path) -> None:
    assert not [where(path, node) for node in literal_iterations(parsed(path))]


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(node, Shell)", "isinstance(node, (int, Task))", "match node:\n case Branch(): ...",
    ],
)  # fmt: skip
def test_a_question_for_the_class_of_an_element_is_found(source: str) -> None:
    assert list(questions_of_class(ast.parse(source)))


@pytest.mark.parametrize(
    "source",
    [
        "nodes.get((node_id, 0))", "nodes[place.id, 0]", "events.NodePending(node.id, 0, kind)", "f(iteration=0)",
        "def f(node_id, iteration=0): ...", "iteration == 0", "row.iteration or 0",
    ],
)  # fmt: skip
def test_a_literal_iteration_is_found(source: str) -> None:
    assert list(literal_iterations(ast.parse(source)))


def test_every_kind_has_an_element_but_the_lazy_subtree() -> None:
    lazy = kind_of(lambda _: elements.Sequence())
    assert {element.kind for element in ELEMENTS.values()} | {lazy.name} == set(KINDS)


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=list(ELEMENTS))
def test_every_element_has_a_kind(element: type[Element[object]]) -> None:
    kind = KINDS[element.kind]
    assert isinstance(kind, NodeKind) is (element.kind in NODE_KINDS) is not issubclass(element, Container)


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=list(ELEMENTS))
def test_every_element_has_a_file_of_its_own_and_so_has_its_kind(element: type[Element[object]]) -> None:
    assert element.__module__ == f"smithersd.elements.{element.kind}"
    assert type(KINDS[element.kind]).__module__ == f"smithersd.core.kinds.{element.kind}"


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=list(ELEMENTS))
def test_every_element_is_documented_with_an_example(element: type[Element[object]]) -> None:
    assert f"| `{element.__name__}(" in document("docs/reference/workflows.md").text
    assert ">>> " in (element.__doc__ or "")


@pytest.mark.parametrize("element", ELEMENTS.values(), ids=list(ELEMENTS))
def test_every_element_is_drawn_in_the_property_tests(element: type[Element[object]]) -> None:
    find(trees(has_shells=True), lambda spec: element.kind in kinds_in(dry_render(workflow_of(spec), run_id="drawn")))


@pytest.mark.parametrize("state", elements.NodeState)
def test_every_state_of_a_node_has_a_look(state: elements.NodeState) -> None:
    assert len(NODE_STYLES[state].symbol) == 1
