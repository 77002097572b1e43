"""Shell: one command of the operating system, durable once it has ended with exit code 0."""

import os
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, Unpack, overload

from smithersd.elements.call.arguments import check_arguments, elements_in, secrets_in
from smithersd.elements.element import Element, Node
from smithersd.elements.options.task_options import Attempts, TaskOptions, attempts_of
from smithersd.elements.secret import Secret
from smithersd.elements.texts import plain_text, shown
from smithersd.elements.value import Value
from smithersd.elements.values.schema import Schema, schema_for
from smithersd.errors import WorkflowError

T_co = TypeVar("T_co", covariant=True)

WordT = TypeVar("WordT", bound="str | Element[Any] | Value[Any] | Secret")

Word = str | Element[Any] | Value[Any]
"""A word of a command: a text, or an element or value whose output or result is put there."""


class Shell(Node[T_co]):
    """Run one command: a text for `/bin/sh -c`, or a list of words that no shell interprets.

    Its lines become events while it runs. The output is what it wrote to stdout, or the last 10 MiB of that. With
    `output=` stdout is read as JSON of the given type, and more than 10 MiB fail the attempt. A program with a slash in
    its name (`./test.sh`) is a path from `cwd`; any other is looked for on PATH.

    An element among the words or in `env`, or a value that `.map` makes of one, makes the command run after it, with
    its output in that place: texts, numbers, paths and dates as they are, lists and objects as JSON. `cwd` is the
    working directory; `env` is added to the environment. Other options: see `TaskOptions`.

    Examples:
        >>> build = Shell("build", "make -j4 all", timeout="20m", retries=1)
        >>> size = Shell("size", ["du", "-s", "build"], depends_on=build)
    """

    __slots__ = ("attempts", "command", "cwd", "env", "has_elements", "parses_stdout", "secrets")

    kind = "shell"

    @overload
    def __init__(
        self: "Shell[str]",
        id: str,
        command: str | list[Word] | tuple[Word, ...],
        *,
        cwd: str | None = None,
        env: Mapping[str, Word | Secret] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None: ...
    @overload
    def __init__(
        self,
        id: str,
        command: str | list[Word] | tuple[Word, ...],
        *,
        cwd: str | None = None,
        env: Mapping[str, Word | Secret] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None: ...
    def __init__(
        self,
        id: str,
        command: str | list[Word] | tuple[Word, ...],
        *,
        cwd: str | None = None,
        env: Mapping[str, Word | Secret] | None = None,
        **options: Unpack[TaskOptions],
    ) -> None:
        super().__init__(
            id,
            label=options.get("label"),
            skip_if=options.get("skip_if", False),
            depends_on=options.get("depends_on", ()),
        )
        name = f"shell {self.id!r}"
        self.schema = _schema(options, name)
        self.parses_stdout = "output" in options
        self.attempts: Attempts = attempts_of(options, name, has_exit_code=True)
        self.command: str | tuple[Word, ...] = _checked_command(command, name)
        self.cwd = _checked_cwd(cwd, name)
        self.env: dict[str, Word | Secret] = _checked_env(env, name)
        self.secrets = secrets_in(self.env, name)
        self.has_elements = check_arguments((list(self.command), self.env), name)

    @property
    def has_plain_arguments(self) -> bool:
        """True: any word may be a value that the rendering has read."""
        return True

    def inputs(self) -> Iterator[Element[Any]]:
        """Yield the elements among the words and in env."""
        yield from elements_in([list(self.command), self.env]) if self.has_elements else ()


def _schema(options: TaskOptions, node: str) -> Schema:
    return schema_for(options.get("output", str), node)


def _checked_command(command: object, node: str) -> str | tuple[Word, ...]:
    if isinstance(command, str) and command.strip():
        return plain_text(command)
    if isinstance(command, (list, tuple)) and command and all(map(_is_word, command)):
        return tuple(_plain(word) for word in command)
    if isinstance(command, (list, tuple)) and any(isinstance(word, Secret) for word in command):
        raise WorkflowError(
            f"The command of {node} has a secret among its words, which every user of the machine can see.",
            remedy='Pass it in the environment: env={"TOKEN": Secret("DEPLOY_TOKEN")}.',
        )
    raise WorkflowError(
        f"The command of {node} is {shown(command)}.",
        remedy="Give a text for the shell, or a list of words, each a text, an element or a value made of one.",
    )


def _checked_cwd(cwd: object, node: str) -> str | None:
    if cwd is None:
        return None
    path = os.fspath(cwd) if isinstance(cwd, os.PathLike) else cwd
    if isinstance(path, str):
        return plain_text(path)
    raise WorkflowError(f"cwd of {node} is {shown(cwd)}.", remedy="Give the path of a folder as a text.")


def _checked_env(env: object, node: str) -> dict[str, Word | Secret]:
    if env is None:
        return {}
    if isinstance(env, Mapping) and all(
        isinstance(name, str) and (_is_word(value) or isinstance(value, Secret)) for name, value in env.items()
    ):
        return {plain_text(name): _plain(value) for name, value in env.items()}
    raise WorkflowError(f"env of {node} is {shown(env)}.", remedy="Give a dict from names to texts or elements.")


def _is_word(word: object) -> bool:
    return isinstance(word, (str, Element, Value))


def _plain(word: WordT) -> WordT | str:
    return plain_text(word) if isinstance(word, str) else word
