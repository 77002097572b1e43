"""An element is not its output: what would use it as one is refused, and says what to do."""

import operator
import re
from collections.abc import Callable
from typing import Any

import pytest

from smithersd import Approval, Branch, Element, Parallel, Sequence, Shell, Task, Value
from smithersd.errors import WorkflowError

task: Task[Any] = Task("n", print)
other = Task("other", print)

USES: dict[str, tuple[Callable[[Any], object], str]] = {
    "truth": (lambda n: "yes" if n else "no", "used as a condition"),
    "not": (lambda n: not n, "used as a condition"),
    "and": (lambda n: n and other, "used as a condition"),
    "any": (lambda n: any([n]), "used as a condition"),
    "equal": (lambda n: n == 3, "compared"),
    "equal, mirrored": (lambda n: "ok" == n, "compared"),  # noqa: SIM300 - that is the case
    "unequal": (lambda n: n != "ok", "compared"),
    "equal to None": (lambda n: n == None, "compared"),  # noqa: E711 - that is the case
    "less": (lambda n: n < 3, "compared"),
    "greater": (lambda n: n > other, "compared"),
    "least": (lambda n: min(other, n), "compared"),
    "sorted": (lambda n: sorted([other, n]), "compared"),
    "in it": (lambda n: 3 in n, "searched with `in`"),
    "length": (len, "given to len()"),
    "loop": (list, "iterated over"),
    "unpacking": (lambda n: [*n], "iterated over"),
    "index": (lambda n: n[0], "indexed"),
    "key": (lambda n: n["path"], "indexed"),
    "sum": (lambda n: n + 1, "used in a calculation"),
    "sum, mirrored": (lambda n: 1 + n, "used in a calculation"),
    "text and it": (lambda n: "size: " + n, "used in a calculation"),
    "negative": (operator.neg, "used in a calculation"),
    "either": (lambda n: n | other, "combined with an operator"),
    "arrow": (lambda n: n >> other, "combined with an operator"),
    "f-string": (lambda n: f"got {n}", "formatted into a text"),
    "f-string with a format": (lambda n: f"got {n:>10}", "formatted into a text"),
    "format": ("got {}".format, "formatted into a text"),
    "str": (str, "converted to a text"),
    "percent": (lambda n: "got %s" % n, "converted to a text"),  # noqa: UP031 - that is the case
}


@pytest.mark.parametrize(("use", "said"), USES.values(), ids=USES)
def test_an_element_used_as_its_output_is_refused_with_a_remedy(use: Callable[[Any], object], said: str) -> None:
    with pytest.raises(WorkflowError, match=re.escape(f"Task('n') was {said}, but an element is not its output")) as no:
        use(task)
    assert "ctx.output" in (no.value.remedy or "")
    assert ".map" in (no.value.remedy or "")


@pytest.mark.parametrize(("use", "said"), USES.values(), ids=USES)
def test_a_value_is_as_strict_as_an_element(use: Callable[[Any], object], said: str) -> None:
    message = f"Task('n').map(len) was {said}, but what is made of an output is not here yet"
    with pytest.raises(WorkflowError, match=re.escape(message)) as no:
        use(task.map(len))
    assert ".map" in (no.value.remedy or "")


@pytest.mark.parametrize(
    "element",
    [
        task,
        Shell("s", "true"),
        Approval("a"),
        Sequence(task),
        Parallel(task),
        Branch("b", lambda _: True, then=task),
    ],
    ids=repr,
)
def test_no_kind_of_element_is_true_or_a_text(element: Element[Any]) -> None:
    for use in (bool, str, format):
        with pytest.raises(WorkflowError, match=re.escape(repr(element))):
            use(element)


def test_elements_are_told_apart_in_lists_sets_and_dicts() -> None:
    twin = Task("n", print)
    assert task == task  # noqa: PLR0124 - that is the case
    assert task != twin
    assert task in [other, twin, task]
    assert twin not in [other, task]
    assert len({task, twin, task, other}) == 3
    assert {task: 1, twin: 2}[twin] == 2
    assert [other, task].index(task) == 1
    value: Value[int] = task.map(id)
    assert value in [task, task.map(id), value]
    assert len({value, task.map(id), task}) == 3


def test_an_element_shows_itself_where_repr_is_asked_for() -> None:
    assert f"{task!r}" == "Task('n')"
    assert repr([task]) == "[Task('n')]"
