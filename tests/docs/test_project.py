"""What the project says of itself in several places is the same everywhere."""

import re
import tomllib

from tests.docs.documents import README, ROOT, document

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOW = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
PYTHONS = [match[1] for one in PROJECT["classifiers"] if (match := re.search(r":: (3\.\d+)$", one))]


def test_the_pythons_that_it_names_are_those_that_are_tested() -> None:
    (matrix,) = re.findall(r"python: \[(.*)\]", WORKFLOW)
    assert re.findall(r"\d\.\d+", matrix) == PYTHONS
    assert PROJECT["requires-python"] == f">={PYTHONS[0]}"
    assert f"{', '.join(PYTHONS[:-1])} and {PYTHONS[-1]}" in README.text


def test_what_the_workflow_and_the_hooks_run_exists() -> None:
    scripts = re.findall(r"- run: \./(\S+)", WORKFLOW)
    assert {"scripts/check", "scripts/coverage", "scripts/test"} == set(scripts)
    folders = re.findall(r"\btests/\w+", WORKFLOW)
    assert all((ROOT / folder).is_dir() for folder in folders)


def test_every_action_is_pinned_to_a_commit() -> None:
    used = re.findall(r"uses: (\S+)", WORKFLOW)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in used)


FIGURES = {
    "steps in a row": "sequential: smithersd",
    "steps, 16 at once": "16 at once: smithersd",
    "from a commit to a client's screen": "commit to client",
    "from an approval to the next task's start": "approve to the next task's start",
    "from `up --serve` to the first answer": "up --serve to /health",
    "resident memory after 1,000 steps": "resident memory, 1,000 steps done",
}
"""What README calls a figure, and what it is called where it was measured."""


def test_the_figures_in_readme_are_those_that_were_measured() -> None:
    measured = document("docs/explanation/speed.md").text.split("--store postgres")[0]
    shown = {row[0]: row[1] for row in README.section("Figures").rows()}
    assert shown.keys() == FIGURES.keys()
    for name, figure in shown.items():
        (median,) = re.findall(rf"^{re.escape(FIGURES[name])} +([\d.,]+)", measured, re.MULTILINE)
        number = figure.split()[0].replace(",", "")
        decimals = len(number.partition(".")[2])
        assert f"{float(median.replace(',', '')):.{decimals}f}" == number, name
