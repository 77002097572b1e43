"""What a task or a shell does when it runs, as a text for whoever is asked to let it.

The same node gives the same text in every process: outputs that are still to be put in are named as `<node>`.
"""

import shlex
from collections.abc import Iterable
from functools import partial
from typing import Any

import pydantic_core

from smithersd.elements import Element, Node, Shell, Task
from smithersd.elements.arguments import elements_in
from smithersd.limits import CALL_ARGUMENT_LENGTH_MAX, GATE_TEXT_BYTES_MAX


def call_text(node: Task[Any] | Shell[Any]) -> str:
    """Return the command of a shell, with its folder; of a task the function and its arguments, shortened."""
    text = _shell_text(node) if isinstance(node, Shell) else _task_text(node)
    return text.encode()[:GATE_TEXT_BYTES_MAX].decode(errors="ignore")


def only_source(node: Task[Any] | Shell[Any]) -> str | None:
    """Return the only node whose output is put in, None where there are none or several."""
    given: list[Any] = [list(node.command), node.env] if isinstance(node, Shell) else list(node.arguments)
    sources = {element.id for element in elements_in(given)} if node.has_elements else set()
    return sources.pop() if len(sources) == 1 else None


def _shell_text(shell: Shell[Any]) -> str:
    command = shell.command if isinstance(shell.command, str) else " ".join(map(_word, shell.command))
    folder = "" if shell.cwd is None else f"\nin the folder {shell.cwd}"
    return f"Runs: {command}{folder}"


def _word(word: str | Element[Any]) -> str:
    return shlex.quote(word) if isinstance(word, str) else f"<{word.id}>"


def _task_text(task: Task[Any]) -> str:
    function, arguments = task.function, task.arguments
    keywords: dict[str, Any] = {}
    while isinstance(function, partial):
        arguments, keywords = (*function.args, *arguments), {**function.keywords, **keywords}
        function = function.func
    named = (f"{name}={_argument(value)}" for name, value in keywords.items())
    name = getattr(function, "__qualname__", type(function).__qualname__)
    return f"Calls: {name}({_listed((*map(_argument, arguments), *named))})"


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _argument(value: Any) -> str:
    if isinstance(value, Node):
        return f"<{value.id}>"
    try:
        text = pydantic_core.to_json(value, inf_nan_mode="constants", fallback=_named).decode()
    except (pydantic_core.PydanticSerializationError, ValueError):
        return f"<{type(value).__name__}>"
    return text if len(text) <= CALL_ARGUMENT_LENGTH_MAX else text[: CALL_ARGUMENT_LENGTH_MAX - 1] + "…"


def _named(value: Any) -> str:
    """What JSON cannot hold, by a name that is the same in every process."""
    return f"<{value.id}>" if isinstance(value, Node) else f"<{type(value).__name__}>"
