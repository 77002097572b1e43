"""An attempt gets its secrets from outside, and nothing of the run holds them."""

import functools
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from smithersd import Approval, Secret, Sequence, Shell, Store, Task, Workflow, task_context
from smithersd.core.log import events
from smithersd.core.log.states import RunStatus
from smithersd.daemon.launch.environment import take_environment
from smithersd.daemon.state.tracebacks import keeping_tracebacks
from smithersd.elements import Context, Element
from smithersd.engine import JumpingClock, RunOptions
from smithersd.errors import WorkflowError
from tests.support.runs import driven, events_of, log, node, run, until_state

TOKEN = "hunter2-token/with+more"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", TOKEN)
    for name in ("CREDENTIALS_DIRECTORY", "MISSING", "MISSING_FILE"):
        monkeypatch.delenv(name, raising=False)


def flow_of(tree: Callable[[Context[Any]], Element[Any]]) -> Workflow[Any]:
    return Workflow(tree, name="secretive")


async def printed(store: Store) -> str:
    return "".join(event.text for event in await events_of(store, events.NodeOutput))


async def assert_nowhere(store: Store) -> None:
    """The secret is in no event, output or frame."""
    assert TOKEN not in str(await log(store))
    assert TOKEN not in str(await store.outputs("r"))
    assert TOKEN not in str(await store.frames("r"))


@dataclass
class Target:
    name: str
    token: Any


async def test_a_task_gets_a_secret_wherever_it_stands_among_its_arguments(store: Store) -> None:
    got: list[str] = []

    def deploy(token: str, listed: list[str], named: dict[str, str], target: Target, *, keyword: str) -> str:
        got.extend((token, *listed, *named.values(), target.token, keyword))
        return "deployed"

    secret = Secret("DEPLOY_TOKEN")
    bound = functools.partial(deploy, keyword=secret)  # type: ignore[arg-type]
    flow = flow_of(lambda _: Task("a", bound, secret, [secret], {"token": secret}, Target("x", secret)))
    assert (await run(flow, store)).status is RunStatus.FINISHED
    assert got == [TOKEN] * 5
    await assert_nowhere(store)


async def test_a_command_gets_a_secret_in_its_environment(store: Store) -> None:
    command = 'test "$TOKEN" = "$EXPECTED" && echo yes'
    env: dict[str, Any] = {"TOKEN": Secret("DEPLOY_TOKEN"), "EXPECTED": TOKEN[:7] + "-token/with+more"}
    state = await run(flow_of(lambda _: Shell("a", command, env=env)), store)
    assert state.status is RunStatus.FINISHED, state.error


async def test_what_an_attempt_prints_and_logs_has_asterisks(store: Store) -> None:
    def leak(token: str) -> None:
        print("it is", token)  # noqa: T201
        sys.stdout.write(token[:9])
        sys.stdout.flush()
        sys.stderr.write(token)
        sys.stdout.write(token[9:] + "\n")
        logging.getLogger("author").warning("log %s", token)

    async def leak_async(token: str) -> None:
        sys.stdout.buffer.write(token.encode()[:5])
        print(token)  # noqa: T201
        task_context().progress(1, 2, f"with {token}")

    secret = Secret("DEPLOY_TOKEN")
    shell = Shell("c", 'echo "$T"; printf hunter2- ; sleep 0.3; echo "token/with+more"', env={"T": secret})
    flow = flow_of(lambda _: Sequence(Task("a", leak, secret), Task("b", leak_async, secret), shell))
    await run(flow, store, options=RunOptions(captures_output=True))
    text = await printed(store)
    assert TOKEN not in text
    assert "it is ***" in text
    assert "log ***" in text
    assert text.count("***") >= 6
    await assert_nowhere(store)


@pytest.mark.parametrize("retry_on", [Exception, lambda error: error.args[0]])
async def test_errors_and_tracebacks_have_asterisks(store: Store, tmp_path: Path, retry_on: Any) -> None:
    def fail(token: str) -> None:
        error = KeyError(f"url?token={token}")
        error.add_note(f"noted {token}")
        raise error from ValueError("x" * 5_990 + token)

    async def fail_async(token: str) -> None:
        raise SystemExit(f"{'y' * 45}{token}")

    secret = Secret("DEPLOY_TOKEN")
    options: Any = {"continue_on_fail": True, "retries": 1, "retry_on": retry_on, "retry_delay": 0}
    shell = Shell("c", 'echo "$T is wrong" >&2; exit 3', env={"T": secret}, continue_on_fail=True)
    flow = flow_of(
        lambda _: Sequence(Task("a", fail, secret, **options), Task("b", fail_async, secret, **options), shell)
    )
    with keeping_tracebacks(tmp_path / "tracebacks"):
        await run(flow, store, clock=JumpingClock())
    for node_id in "abc":
        error = (await node(store, node_id)).error
        assert error is not None
        assert "hunter2" not in error.message
        assert "***" in error.message
    traces = (tmp_path / "tracebacks").read_text()
    assert "KeyError: 'url?token=***'" in traces
    assert "hunter2" not in traces
    await assert_nowhere(store)


@pytest.mark.parametrize("wrap", [lambda token: token, lambda token: {"url": [f"https://u:{token}@host"]}])
async def test_an_output_that_holds_a_secret_is_refused(store: Store, wrap: Any) -> None:
    def echo(token: str) -> Any:
        return wrap(token)

    secret = Secret("DEPLOY_TOKEN")
    await run(flow_of(lambda _: Task("a", echo, secret, retries=2)), store)
    attempted = await node(store, "a")
    assert attempted.error is not None
    assert attempted.error.code == "INVALID_OUTPUT"
    assert "holds the secret 'DEPLOY_TOKEN'" in attempted.error.message
    assert attempted.attempt == 1
    await assert_nowhere(store)


async def test_the_output_of_a_command_is_refused_too(store: Store) -> None:
    await run(flow_of(lambda _: Shell("a", 'echo "[$T]"', env={"T": Secret("DEPLOY_TOKEN")})), store)
    error = (await node(store, "a")).error
    assert error is not None
    assert error.code == "INVALID_OUTPUT"
    await assert_nowhere(store)


async def test_a_heartbeat_with_a_secret_is_an_error(store: Store) -> None:
    def beat(token: str) -> None:
        task_context().heartbeat({"token": token})

    await run(flow_of(lambda _: Task("a", beat, Secret("DEPLOY_TOKEN"))), store)
    error = (await node(store, "a")).error
    assert error is not None
    assert "hold the secret 'DEPLOY_TOKEN'" in error.message
    await assert_nowhere(store)


async def test_a_signal_with_a_secret_is_an_error(store: Store) -> None:
    def beat(token: str) -> None:
        task_context().signal("s", {"token": token})

    await run(flow_of(lambda _: Task("a", beat, Secret("DEPLOY_TOKEN"))), store)
    error = (await node(store, "a")).error
    assert error is not None
    assert "hold the secret 'DEPLOY_TOKEN'" in error.message
    await assert_nowhere(store)


async def test_a_person_is_asked_by_the_name_of_the_secret(store: Store) -> None:
    def deploy(token: str) -> None:
        assert token == TOKEN

    flow = flow_of(lambda _: Task("a", deploy, Secret("DEPLOY_TOKEN"), needs_approval=True))
    async with driven(flow, store):
        await until_state(store, lambda state: bool(state.awaiting_approval))
        (asked,) = await events_of(store, events.ApprovalRequested)
        assert "<secret DEPLOY_TOKEN>" in asked.summary
    await assert_nowhere(store)


# Where it comes from


def check(token: str) -> str:
    return "right" if token == TOKEN else "wrong"


async def outcome(store: Store) -> Any:
    await run(flow_of(lambda _: Task("a", check, Secret("MISSING"))), store)
    ended = await node(store, "a")
    return ended.error or [row.output for row in await store.outputs("r")]


async def test_a_secret_is_read_from_the_file_that_a_variable_names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    monkeypatch.setenv("MISSING_FILE", str(tmp_path / "token"))
    assert await outcome(store) == ['"right"']


async def test_a_secret_is_read_from_a_credential_of_systemd_which_no_command_inherits(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "MISSING").write_text(TOKEN)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    monkeypatch.setattr("smithersd.posix.credentials._taken", None)  # put back afterwards
    take_environment()
    assert "CREDENTIALS_DIRECTORY" not in os.environ
    assert await outcome(store) == ['"right"']


async def test_a_secret_that_is_missing_fails_the_attempt_and_says_where_it_was_looked_for(store: Store) -> None:
    error = await outcome(store)
    assert error.code == "SECRET_UNAVAILABLE"
    assert error.message == (
        "The secret 'MISSING' was not found: the environment variable MISSING is not set, MISSING_FILE is not set, and "
        "systemd passed no credentials."
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "No such file or directory"), (b"\xff\xfe\xff\xfe", "is not UTF-8"), (b"abc", "has 3 characters")],
)
async def test_a_file_that_holds_no_secret_fails_the_attempt(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    monkeypatch.setenv("MISSING_FILE", str(tmp_path / "token"))
    error = await outcome(store)
    assert error.code == "SECRET_UNAVAILABLE"
    assert said in error.message


async def test_a_pipe_is_not_waited_for(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "token")
    monkeypatch.setenv("MISSING_FILE", str(tmp_path / "token"))
    assert "is not a file" in (await outcome(store)).message


async def test_each_attempt_reads_the_secret_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    got: list[str] = []

    def rotate(token: str) -> str:
        got.append(token)
        os.environ["DEPLOY_TOKEN"] = "another-token"
        if len(got) == 1:
            raise ValueError("once")
        return "done"

    flow = flow_of(lambda _: Task("a", rotate, Secret("DEPLOY_TOKEN"), retries=1))
    assert (await run(flow, store, clock=JumpingClock())).status is RunStatus.FINISHED
    assert got == [TOKEN, "another-token"]


# Where it may not stand


def test_a_secret_is_refused_where_it_could_not_be_kept() -> None:
    secret: Any = Secret("DEPLOY_TOKEN")
    with pytest.raises(WorkflowError, match="a secret among its words"):
        Shell("a", ["deploy", secret])
    with pytest.raises(WorkflowError, match="where its value cannot replace it"):
        Task("a", print, {secret})
    with pytest.raises(WorkflowError, match="where its value cannot replace it"):
        Task("a", print, {secret: 1})
    with pytest.raises(WorkflowError, match="a secret is read only when an attempt begins"):
        f"Bearer {secret}"
    with pytest.raises(WorkflowError, match="Argument 'number' of task 'a' is the secret"):
        Task("a", double, secret)
    for name in ("", "a-b", "1a", "a b", 7, None):
        with pytest.raises(WorkflowError, match="The name of a secret is"):
            Secret(name)  # type: ignore[arg-type]
    with pytest.raises(WorkflowError, match="SecretStr"):
        Task("a", print, output=SecretStr)
    with pytest.raises(WorkflowError):
        Approval("a", metadata={"token": secret})


def double(number: int) -> int:
    return 2 * number
