"""graph."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import FLOWS, Said

Smithers = Callable[..., Said]


def test_people_get_the_tree_with_what_comes_after_what(smithers: Smithers, place: Path) -> None:
    said = smithers("graph", f"{FLOWS}:shapes")
    assert said.code == 0
    assert said.out.splitlines() == [
        "shapes",
        "  sequence",
        '    first            task  "The first", retries 3, on OSError, timeout 1h30m',
        "    parallel (at most 2 at once)",
        "      second         task  after first, may fail",
        "    branch true?",
        "      then: yes      task",
        "      otherwise: no  task",
        "    lazy                   rendered when the flow reaches it",
    ]
    assert list(place.iterdir()) == []


def test_levels_that_nobody_named_and_that_hold_one_child_are_left_out(smithers: Smithers) -> None:
    assert smithers("graph", f"{FLOWS}:nested").out.splitlines() == [
        "nested",
        "  sequence",
        '    parallel "配送"',
        '      sequence "Region eu"',
        '        ship-eu  approval  asks "Approve ship-eu?"',
        '      sequence "Region ap"',
        '        ship-ap  approval  asks "Approve ship-ap?"',
        "    lazy                   rendered when the flow reaches it",
    ]
    regions = smithers("graph", f"{FLOWS}:nested", "--json").document["tree"]["children"][0]["children"][0]
    assert regions["label"] == "配送"
    assert [child["label"] for child in regions["children"]] == ["Region eu", "Region ap"]


def test_json_has_the_tree_of_a_frame_and_nothing_that_the_file_prints(smithers: Smithers, place: Path) -> None:
    file = shutil.copy(FLOWS, place / "printing.py")
    said = smithers("graph", f"{file}:approval", "--json")
    assert said.err == "a workflow file may print\n"
    told = said.document
    assert (told["workflowName"], told["workflowPath"]) == ("approval", f"{file}:approval")
    assert [child["id"] for child in told["tree"]["children"]] == ["make", "publish", "release"]
    assert told["tree"]["children"][1]["dependsOn"] == ["make"]


@pytest.mark.parametrize("given", ['{"version": "7"}', "@order.json"])
def test_the_input_can_be_given(smithers: Smithers, place: Path, given: str) -> None:
    (place / "order.json").write_text('{"version": "7"}')
    assert smithers("graph", f"{FLOWS}:approval", "--input", given).code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nope.py",), "There is no workflow file 'nope.py'."),
        ((str(FLOWS),), "flows.py has 13 workflows."),
        ((f"{FLOWS}:nope",), "flows.py has no workflow 'nope'."),
        ((f"{FLOWS}:approval", "--input", '{"version": 7}'), "does not fit Order: version"),
        ((f"{FLOWS}:approval", "--input", "{"), "The input is not valid JSON"),
        ((f"{FLOWS}:approval", "--input", "@nope.json"), "cannot be read"),
        (("broken.py",), "broken.py could not be imported: ZeroDivisionError"),
        (("twice.py",), "'same'"),
        ((), "Missing argument"),
    ],
)
def test_what_cannot_be_shown_is_an_error(
    smithers: Smithers, place: Path, arguments: tuple[str, ...], message: str
) -> None:
    (place / "broken.py").write_text("1 / 0\n")
    (place / "twice.py").write_text(
        "from smithersd import Parallel, Task, workflow\n\n\n@workflow\ndef twice(ctx):\n"
        "    return Parallel(Task('same', str), Task('same', str))\n"
    )
    said = smithers("graph", *arguments)
    assert (said.code, said.out) == (4, "")
    assert message in said.err


def test_the_timeout_of_the_workflow_stands_beside_its_name(smithers: Smithers) -> None:
    assert smithers("graph", f"{FLOWS}:limited").out.splitlines()[0] == "limited  timeout 2h00m"
