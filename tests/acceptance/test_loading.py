"""Where a workflow may lie and how it may be named, and that what its tasks start can import it too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.place import Place, clean_environment
from tests.support.waiting import until

POOL = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

def square(number): return number * number

def work(method):
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        return sum(pool.map(square, range(4)))

@workflow
def pooled(ctx):
    return Sequence(*(Task(method, work, method) for method in ("fork", "spawn", "forkserver")))
"""


@pytest.mark.parametrize(
    "name", ["flow.py", "my-flow.py", "2 flows.py", "flow.v2.py", "pack/flow.py", "my-pack/my-flow.py"]
)
@pytest.mark.parametrize("detach", [(), ("-d",)])
def test_what_a_task_spawns_can_import_the_workflow_file(place: Place, name: str, detach: tuple[str, ...]) -> None:
    folder = (place.folder / name).parent
    folder.mkdir(exist_ok=True)
    if folder != place.folder:
        (folder / "__init__.py").touch()
    place.write(POOL, name)
    script = Path(sys.executable).with_name("smithers")  # as people start it: a child imports the main program too
    command = (str(script), "up", name, "--run-id", "r", *detach)
    subprocess.run(command, cwd=place.folder, env=clean_environment(), check=True, capture_output=True)
    assert until(lambda: place.types("r")[-1:] == ["RunFinished"] and place.types("r").count("NodeFinished")) == 3


MOVING = """
os.makedirs("elsewhere", exist_ok=True)
os.chdir("elsewhere")

@workflow
def moving(ctx: Context[dict[str, int]]):
    return Sequence(Task("write", Path("here").write_text, "x", output=int), Approval("approval", title="Go?"))
"""


@pytest.mark.parametrize("detach", [(), ("-d",)])
def test_a_file_may_change_the_directory_when_it_is_imported(place: Place, detach: tuple[str, ...]) -> None:
    place.write(MOVING)
    (place.folder / "given.json").write_text('{"a": 1}')
    named = ("--store", "sqlite:///runs.db", "--log-file", "my.log", "--pid-file", "my.pid")
    given = ("--run-id", "r", "--input", "@given.json", "--no-wait", *named, *detach)
    assert place.run("up", "flow.py", *given)[0] == (0 if detach else 3)

    def row() -> dict[str, str]:
        code, text = place.run("inspect", "r", "--store", "sqlite:///runs.db", "--json")
        assert code == 0, text
        found: dict[str, str] = json.loads(text)
        return found

    until(lambda: row()["status"] == "suspended")
    assert row()["workflowPath"] == str(place.folder / "flow.py")
    assert sorted(path.name for path in (place.folder / "elsewhere").iterdir()) == ["here"]
    assert (place.folder / "my.log").stat().st_size
    assert list(place.folder.glob("**/.smithers")) == [place.state_folder]
    assert place.run("up", "flow.py", "--run-id", "r", "--resume", "--no-wait", *named)[0] == 3


def write_package(place: Place, root: str) -> None:
    folder = place.folder / root / "shipping"
    (folder / "inner").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py"):
        (folder / name).touch()
    (folder / "inner" / "steps.py").write_text("def add(a: int, b: int) -> int:\n    return a + b\n")
    place.write(
        """
        from .inner.steps import add
        import shipping.inner.steps

        @workflow
        def first(ctx): return Sequence(Task("add", add, 1, 2), Approval("approval", title="Go?"))

        @workflow
        def second(ctx): return Task("add", add, 3, 4)
        """,
        f"{root}/shipping/flow.py",
    )


@pytest.mark.parametrize("root", [".", "src"])
@pytest.mark.parametrize("spec", ["{root}/shipping/flow.py", "shipping.flow"])
def test_a_workflow_in_a_package_is_named_by_its_path_or_its_module(place: Place, root: str, spec: str) -> None:
    write_package(place, root)
    first, second = (f"{spec.format(root=root)}:{name}" for name in ("first", "second"))
    code, text = place.run("up", first, "--run-id", "r", "--no-wait")
    assert code == 3, text
    assert f"smithers up {first} --run-id r --resume" in text
    assert place.run("approve", "r")[0] == 0
    code, text = place.run("up", first, "--run-id", "r", "--resume")
    assert code == 0, text

    assert place.run("up", second, "--run-id", "d", "-d")[0] == 0
    until(lambda: place.types("d")[-1:] == ["RunFinished"])

    code, text = place.run("graph", first, "--json")
    assert (code, json.loads(text)["workflowPath"]) == (0, f"{place.folder.joinpath(root, 'shipping/flow.py')}:first")
    code, text = place.run("systemd", "install", first, "--run-id", "s", "--print", HOME=str(place.folder))
    assert code == 0
    assert f" up {first} --serve" in text


def test_what_ps_says_to_resume_a_module_with_works_from_elsewhere(place: Place) -> None:
    write_package(place, "src")
    place.run("up", "shipping.flow:first", "--run-id", "r", "--no-wait")
    (place.folder / "sub").mkdir()
    printed = next(line for line in place.run("ps")[1].splitlines() if "--resume" in line)
    spec = printed.split(" up ")[1].split()[0]
    assert spec == "src/shipping/flow.py:first"
    command = (sys.executable, "-m", "smithersd", "up", f"../{spec}", "--run-id", "r", "--resume", "--no-wait")
    assert subprocess.run(command, cwd=place.folder / "sub", check=False, capture_output=True).returncode == 3


def test_a_folder_without_an_init_file_is_named_as_a_module(place: Place) -> None:
    (place.folder / "flows").mkdir()
    (place.folder / "flows" / "steps.py").write_text("def one() -> int:\n    return 1\n")
    text = """
        from .steps import one

        @workflow
        def single(ctx): return Task("one", one)
        """
    place.write(text, "flows/flow.py")
    code, said = place.run("up", "flows/flow.py")
    assert code == 4
    assert "put an __init__.py beside the file, or give the file as a module" in said
    assert place.run("up", "flows.flow", "--run-id", "r", "--no-wait")[0] == 0
    row = place.row("r")
    assert row is not None
    assert row.workflow_path == "flows.flow"


def test_a_file_imports_what_lies_beside_it_and_in_the_working_directory(place: Place) -> None:
    for folder in ("flows", "here", "src/there"):
        (place.folder / folder).mkdir(parents=True)
    (place.folder / "flows" / "beside.py").touch()
    (place.folder / "json.py").write_text("raise RuntimeError('a library must not be found here')")
    text = """
        import beside, here, json, there

        @workflow
        def single(ctx): return Task("one", int)
        """
    place.write(text, "flows/flow.py")
    code, said = place.run("up", "flows/flow.py", PYTHONSAFEPATH="1")  # else `-m` would put the folder first
    assert code == 0, said


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("nope.py", "There is no workflow file 'nope.py'."),
        ("nope", "There is no workflow file or module 'nope'."),
        ("shipping.nope", "There is no workflow file or module 'shipping.nope'."),
        ("shipping.flow", "shipping.flow has 2 workflows."),
        ("shipping.flow:third", "shipping.flow has no workflow 'third'."),
        ("broken.flow", "broken.flow could not be imported: ModuleNotFoundError: No module named 'not_there'"),
        ("a/b:c", "There is no workflow file 'a/b'."),
    ],
)
@pytest.mark.parametrize("command", [("up",), ("up", "-d"), ("graph",)])
def test_what_is_not_there_is_said(place: Place, command: tuple[str, ...], spec: str, message: str) -> None:
    write_package(place, ".")
    (place.folder / "broken").mkdir()
    (place.folder / "broken" / "__init__.py").write_text("import not_there")
    code, text = place.run(*command, spec)
    assert code == 4
    assert message in text
    assert os.listdir(place.state_folder) == []  # noqa: PTH208
