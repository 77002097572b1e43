"""What a user can meet is in the reference, all of it and nothing else."""

import asyncio
import inspect
import re
from collections.abc import Iterable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

import click
import pytest

import smithersd
from smithersd import create_serve_app, limits, open_store
from smithersd.cli.group import smithers
from smithersd.core.kinds.registry import NODE_KINDS
from smithersd.core.log import events
from smithersd.core.log.states import AttemptState, Cancellation, Interruption, RunStatus
from smithersd.elements import NodeState
from smithersd.elements.kinds import Backoff, OnDeny, OnTimeout, TimerType
from smithersd.elements.options.task_options import TaskOptions
from smithersd.errors import SmithersError
from smithersd.executors.context import TaskContext
from smithersd.exit_codes import ExitCode
from smithersd.serve.bodies import DecisionBody
from smithersd.serve.errors import STATUS_BY_CODE
from smithersd.serve.metrics import Metrics
from tests.docs.documents import ROOT, document
from tests.serve.requests.openapi import openapi

CLI = document("docs/reference/cli.md")
ERRORS = document("docs/reference/errors.md")
EVENTS = document("docs/reference/events.md")
HTTP = document("docs/reference/http.md")
LIMITS = document("docs/reference/limits.md")
METRICS = document("docs/reference/metrics.md")
PYTHON = document("docs/reference/python.md")
STATES = document("docs/reference/states.md")
WORKFLOWS = document("docs/reference/workflows.md")
EMBEDDING = document("docs/how-to/embed.md")

API = openapi(run_id="any", node_ids=["any"], has_token=True)
"""What the wire is, as real servers are tried with."""

SHARED_FLAGS = {"--store", "--state-folder", "--debug"}


def commands(group: click.Group = smithers, prefix: str = "smithers") -> dict[str, click.Command]:
    """Every command by what is typed for it."""
    found: dict[str, click.Command] = {}
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        typed = f"{prefix} {name}"
        found |= commands(command, typed) if isinstance(command, click.Group) else {typed: command}
    return found


COMMANDS = commands()


def flags_of(command: click.Command) -> set[str]:
    options = [option for option in command.params if isinstance(option, click.Option) and not option.hidden]
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)}


def every_error(base: type[SmithersError]) -> set[type[SmithersError]]:
    return {base}.union(*(every_error(child) for child in base.__subclasses__()))


ERROR_CODES = {error.code for error in every_error(SmithersError)} | set(STATUS_BY_CODE)


async def routes(folder: Path) -> set[str]:
    """Every route as `GET /nodes/:node`."""
    async with open_store(folder / "smithers.db") as store:
        workflow: smithersd.Workflow[Any] = smithersd.Workflow(lambda _: smithersd.Sequence(), name="any")
        app = create_serve_app(workflow, store=store, run_id="any", abort=asyncio.Event())
        found = [(route.method, route.resource.canonical) for route in app.router.routes() if route.resource]
    found = [(method, path.replace("{node_id}", ":node").replace("{name}", ":name")) for method, path in found]
    return {f"{method} {path}" for method, path in found if method != "HEAD" and path}


def metric_names() -> set[str]:
    families = Metrics(run_id="any", workflow_name="any", open_streams=lambda: 0).families()
    return {family.name + {"counter": "_total", "info": "_info"}.get(family.type, "") for family in families}


def assert_same(documented: Iterable[str], real: Iterable[str]) -> None:
    """Each once, and nothing else."""
    assert sorted(documented) == sorted(real)


def test_the_public_names_are_these() -> None:
    assert set(smithersd.__all__) == {
        *("Approval", "Branch", "Context", "Decision", "Element", "Group", "InvalidOutput", "NodeState"),
        *("OutputNotReady", "Parallel", "Permanent", "RetryAfter", "RunResult", "Secret", "Sequence", "Shell"),
        *("ShellFailed", "Signal", "SmithersError", "Store", "Task", "TaskTimeout", "Timer", "Value", "Workflow"),
        *("create_serve_app", "open_store", "run_workflow", "task_context", "workflow"),
    }


@pytest.mark.parametrize("name", smithersd.__all__)
def test_every_public_name_explains_itself(name: str) -> None:
    assert getattr(smithersd, name).__doc__


def test_every_public_name_is_on_the_page_of_the_python_api() -> None:
    shown = re.findall(r"^::: ([\w.]+)$", PYTHON.text, re.MULTILINE)
    beside = {"TaskOptions", "TaskContext", "run_to_end"}
    assert_same((name.rpartition(".")[2] for name in shown), {*smithersd.__all__, *beside})


def test_every_element_is_documented() -> None:
    public = {name: getattr(smithersd, name) for name in smithersd.__all__}
    elements = {name for name, one in public.items() if isinstance(one, type) and issubclass(one, smithersd.Element)}
    assert_same(
        (call.partition("(")[0] for call in WORKFLOWS.section("Elements").first_cells()), elements - {"Element"}
    )


def test_every_task_option_is_documented() -> None:
    assert_same(WORKFLOWS.section("Options of tasks and shells").first_cells(), TaskOptions.__annotations__)


def test_everything_that_a_task_context_has_is_documented() -> None:
    public = (name for name in dir(TaskContext) if not name.startswith("_"))
    documented = WORKFLOWS.section("Inside a task").first_cells()
    assert_same((call.partition("(")[0] for call in documented if call != "task_context()"), public)


def test_every_parameter_of_the_serve_app_is_documented() -> None:
    assert_same(EMBEDDING.first_cells(), inspect.signature(create_serve_app).parameters)


def test_every_command_is_listed() -> None:
    listed = re.findall(r"\[`(smithers [\w ]+)`\]", "".join(row[0] for row in CLI.rows()))
    assert_same(listed, COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented_with_all_its_flags_and_no_other(name: str) -> None:
    section = CLI.section(name)
    assert f"`{name}" in section.text
    assert_same(section.first_cells(), flags_of(COMMANDS[name]) - SHARED_FLAGS)


def test_the_flags_that_commands_share_are_documented() -> None:
    assert_same(CLI.section("What commands share").first_cells(), SHARED_FLAGS | {"-h", "--help", "--version"})


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_on_runs_takes_the_store(name: str) -> None:
    is_on_workflows = name in {"smithers graph", "smithers systemd install"}
    assert ({"--store", "--state-folder"} <= flags_of(COMMANDS[name])) is not is_on_workflows


def test_every_environment_variable_is_documented() -> None:
    ours = {name for name in CLI.section("Environment").first_cells() if name.startswith("SMITHERS_")}
    sources = "".join(path.read_text() for path in (ROOT / "smithersd").rglob("*.py"))
    marks = {"SMITHERS_ATTEMPT", "SMITHERS_DRIVER"}  # by which processes that a run started are known
    assert_same(ours, set(re.findall(r"\bSMITHERS_[A-Z_]+\b", sources)) - marks)


def test_every_exit_code_is_documented() -> None:
    assert_same((row[0] for row in CLI.section("Exit codes").rows()), (str(code.value) for code in ExitCode))


async def test_every_route_is_documented(tmp_path: Path) -> None:
    assert_same(HTTP.section("Routes").first_cells(), await routes(tmp_path))


def test_every_parameter_of_a_route_is_documented() -> None:
    for route, parameters, _ in HTTP.section("Routes").rows():
        method, path = route.strip("`").split()
        operation = API["paths"][path.replace(":node", "{node_id}").replace(":name", "{name}")][method.lower()]
        real = [one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query"]
        assert_same(re.findall(r"`(\w+)`", parameters), real)


@pytest.mark.parametrize(
    ("title", "schema"),
    [
        ("A run", "Run"),
        ("A node", "Node"),
        ("All of a node", "NodeInFull"),
        ("A frame", "Frame"),
        ("An approval", "Approval"),
        ("A wait", "Wait"),
    ],
)
def test_every_field_of_an_answer_is_documented(title: str, schema: str) -> None:
    assert_same(HTTP.section(title).first_cells(), _fields(API["components"]["schemas"][schema]))


def _fields(schema: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """The names of all fields, those of objects in lists after the list's own."""
    for name, inner in schema["properties"].items():
        yield prefix + name
        if "properties" in inner.get("items", {}):
            yield from _fields(inner["items"], f"{prefix}{name}.")


def test_every_field_of_a_decision_is_documented() -> None:
    aliases = (field.alias or name for name, field in DecisionBody.model_fields.items())
    assert_same(HTTP.section("Bodies and parameters").first_cells(), aliases)


def test_every_error_code_is_documented() -> None:
    tables = (*ERRORS.section("Answers").rows(), *ERRORS.section("Codes in events and on the command line").rows())
    documented = {code for row in tables for cell in row[:2] for code in re.findall(r"`([A-Z_]{3,})`", cell)}
    assert_same(documented, ERROR_CODES)


def test_every_code_of_an_answer_is_documented_with_its_status() -> None:
    rows = ERRORS.section("Answers").rows()
    documented = {(code, int(row[0])) for row in rows for code in re.findall(r"[A-Z_]{3,}", row[1])}
    assert documented == {(code, status.value) for code, status in STATUS_BY_CODE.items()}


def test_every_event_type_is_documented() -> None:
    assert_same(EVENTS.section("Event types").first_cells(), events.EVENT_TYPES)


@pytest.mark.parametrize("event_class", get_args(events.Event), ids=lambda event_class: event_class.__name__)
def test_every_event_is_documented_with_all_its_fields_and_no_other(event_class: type) -> None:
    (row,) = [row for row in EVENTS.section("Event types").rows() if row[0] == f"`{event_class.__name__}`"]
    optional = {field.name for field in fields(event_class) if field.metadata.get("omitted_when_none")}
    names = {field.name for field in fields(event_class)} - {"node_id", "iteration"}
    expected = {f"`{_camel(name)}`" + "?" * (name in optional) for name in names}
    assert_same(filter(None, row[1].split(", ")), expected)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(map(str.capitalize, tail))


def test_every_metric_is_documented() -> None:
    assert_same((name.partition("{")[0] for name in METRICS.first_cells()), metric_names())


@pytest.mark.parametrize(
    ("title", "vocabulary"),
    [
        ("Run statuses", RunStatus),
        ("Node states", NodeState),
        ("Attempt states", AttemptState),
        ("Node kinds", NODE_KINDS),
        ("Why an attempt was interrupted", Interruption),
        ("Why a node was cancelled", Cancellation),
        ("What a denial does", OnDeny),
        ("What a timeout of a wait does", OnTimeout),
        ("What a timer waits for", TimerType),
        ("How retries are spaced", Backoff),
    ],
)
def test_every_name_in_a_closed_vocabulary_is_explained(title: str, vocabulary: Iterable[str]) -> None:
    assert_same(STATES.section(title).first_cells(), vocabulary)


@pytest.mark.parametrize(("title", "states"), [("Run statuses", RunStatus), ("Node states", NodeState)])
def test_which_states_are_final_is_documented(title: str, states: type[RunStatus] | type[NodeState]) -> None:
    documented = {row[0].strip("`"): row[1] for row in STATES.section(title).rows()}
    assert documented == {state.value: "yes" if state.is_final else "no" for state in states}


@pytest.mark.parametrize(("value", "names"), [row[1:] for row in LIMITS.rows()], ids=lambda cell: cell)
def test_a_documented_limit_has_its_value(value: str, names: str) -> None:
    for name in re.findall(r"`(\w+)`", names):
        assert _shown(name, getattr(limits, name)) == value


def _shown(name: str, value: int | float) -> str:  # noqa: PYI041 # which of the two it is tells the unit
    """A limit as people read it, with the unit that its name ends in."""
    if name.endswith("_BYTES_MAX"):
        return f"{value // limits.MIB} MiB" if value >= limits.MIB else f"{value // limits.KIB} KiB"
    return f"{value:g} s" if isinstance(value, float) else f"{value:,}"
