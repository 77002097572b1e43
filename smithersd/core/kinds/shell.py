"""The kind of `Shell`: an attempt runs a command."""

import shlex
from collections.abc import Callable
from typing import Any

import pydantic_core

from smithersd.core.flow.values import Secrets, Texts, output_of
from smithersd.core.flow.work import ShellCall
from smithersd.core.kinds.attempted import AttemptedKind, placeholder
from smithersd.elements import Secret, Shell, Value
from smithersd.elements.shell import Word
from smithersd.errors import ValueFailed


class ShellKind(AttemptedKind[Shell[Any]]):
    """A command of the operating system."""

    name = Shell.kind
    has_process = True

    def call_text(self, element: Shell[Any]) -> str:
        """Return the command, and its working directory if it has one."""
        command = element.command if isinstance(element.command, str) else " ".join(map(_quoted, element.command))
        folder = "" if element.cwd is None else f"\nin the folder {element.cwd}"
        return f"Runs: {command}{folder}"

    def values_given(self, element: Shell[Any]) -> list[Any]:
        """Return its words and its environment variables."""
        return [list(element.command), element.env]

    def work(self, element: Shell[Any], texts: Texts, secrets: Secrets, tag: str) -> ShellCall:
        """Return the command and its environment variables, with outputs instead of elements."""
        given = element.command
        command = given if isinstance(given, str) else tuple(_word(word, texts) for word in given)
        env = {
            name: secrets[value.name] if isinstance(value, Secret) else _word(value, texts)
            for name, value in element.env.items()
        }
        return ShellCall(command, element.cwd, env, element.parses_stdout, tag)

    def output_encoder(self, element: Shell[Any]) -> Callable[[Any], str]:
        """Return the function that converts stdout to the output: a text, or with `output=` JSON of that type."""
        return element.schema.normalised if element.parses_stdout else element.schema.dump


def _quoted(word: Word) -> str:
    return shlex.quote(word) if isinstance(word, str) else placeholder(word)


def _word(word: Word, texts: Texts) -> str:
    """Return a word of a command: of an output that is a text the text, of another its JSON, of none nothing."""
    if isinstance(word, str):
        return word
    output = output_of(word, texts)
    if output is None:
        return ""
    text = _json(word, output) if isinstance(word, Value) else texts[word].text
    return str(pydantic_core.from_json(text)) if text.startswith('"') else text


def _json(value: Value[Any], made: object) -> str:
    try:
        return pydantic_core.to_json(made).decode()
    except (pydantic_core.PydanticSerializationError, ValueError, RecursionError) as error:
        raise ValueFailed(
            f"The value {value!r}, of type {type(made).__name__}, cannot be a word of a command: {error}. "
            "Let the function return a text, a number or plain data."
        ) from error
