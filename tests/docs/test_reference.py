"""What a user can meet is in README: commands, flags, routes, events, errors, metrics, elements, exit codes."""

import asyncio
import re
from pathlib import Path

import click
import pytest

import smithersd
from smithersd import create_serve_app, open_store
from smithersd.cli.group import smithers
from smithersd.core.log.events import EVENT_TYPES
from smithersd.core.log.states import RunStatus
from smithersd.elements import NodeState
from smithersd.elements.options import TaskOptions
from smithersd.errors import SmithersError
from smithersd.exit_codes import ExitCode
from smithersd.serve.errors import STATUS_BY_CODE
from smithersd.serve.metrics import Metrics
from tests.docs.documents import README, section

CONTEXT = click.Context(smithers)
COMMANDS = {name: smithers.get_command(CONTEXT, name) for name in smithers.list_commands(CONTEXT)}


def flags_of(name: str) -> set[str]:
    command = COMMANDS[name]
    assert command is not None
    parts = command.commands.values() if isinstance(command, click.Group) else (command,)
    parameters = [parameter for part in parts for parameter in part.params]
    options = [one for one in parameters if isinstance(one, click.Option) and not one.hidden]
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)}


def every_error(base: type[SmithersError]) -> set[type[SmithersError]]:
    return {base}.union(*(every_error(child) for child in base.__subclasses__()))


def assert_all_in(names: set[str], text: str) -> None:
    missing = sorted(name for name in names if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text))
    assert not missing


def test_the_public_names_are_these() -> None:
    assert set(smithersd.__all__) == {
        *("Approval", "Branch", "Context", "Decision", "Element", "NodeState", "OutputNotReady", "Parallel"),
        *("RunResult", "Sequence", "Shell", "SmithersError", "Store", "Task", "Workflow"),
        *("create_serve_app", "open_store", "run_workflow", "task_context", "workflow"),
    }


@pytest.mark.parametrize("name", smithersd.__all__)
def test_every_public_name_explains_itself(name: str) -> None:
    assert getattr(smithersd, name).__doc__


def test_every_element_is_documented() -> None:
    assert_all_in({"Task", "Shell", "Sequence", "Parallel", "Branch", "Approval"}, section("Elements"))


def test_every_task_option_is_documented() -> None:
    assert_all_in(set(TaskOptions.__annotations__), section("Options of tasks and shells"))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_all_its_flags(name: str) -> None:
    text = section("The command line")
    assert f"`smithers {name}" in text
    assert_all_in(flags_of(name), text)


def test_every_flag_in_the_documents_exists() -> None:
    known = set().union(*(flags_of(name) for name in COMMANDS)) | {"--help", "--version", "--debug"}
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", section("The command line"))) <= known


def test_every_exit_code_is_documented() -> None:
    rows = set(re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE))
    assert rows == {str(code.value) for code in ExitCode}


async def test_every_route_is_documented(tmp_path: Path) -> None:
    async with open_store(tmp_path / "smithers.db") as store:
        workflow = smithersd.Workflow(lambda _: smithersd.Sequence(), name="any")
        app = create_serve_app(workflow, store=store, run_id="any", abort=asyncio.Event())
        routes = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    text = section("Routes")
    for method, path in routes:
        if method != "HEAD" and path:
            assert f"`{method} {re.sub(r'{(.*?)}', ':node', path)}" in text, (method, path)


def test_every_error_code_is_documented() -> None:
    codes = {error.code for error in every_error(SmithersError)} | set(STATUS_BY_CODE)
    assert_all_in(codes, section("Errors"))


def test_every_code_of_an_answer_is_documented_with_its_status() -> None:
    rows = re.findall(r"^\| (\d{3}) \| (.*?) \|", section("Errors"), re.MULTILINE)
    documented = {(code, int(status)) for status, codes in rows for code in re.findall(r"[A-Z_]{3,}", codes)}
    assert documented == {(code, status.value) for code, status in STATUS_BY_CODE.items()}


def test_every_event_type_is_documented() -> None:
    assert set(re.findall(r"^\| `(\w+)` \|", section("Events"), re.MULTILINE)) == EVENT_TYPES


def test_every_metric_is_documented() -> None:
    families = Metrics(run_id="any", workflow_name="any", open_streams=lambda: 0).families()
    names = {family.name + {"counter": "_total", "info": "_info"}.get(family.type, "") for family in families}
    assert set(re.findall(r"`(smithers_\w+)", section("Metrics"))) == names


@pytest.mark.parametrize("state", [*RunStatus, *NodeState])
def test_every_state_is_documented(state: str) -> None:
    assert f"`{state}`" in README
