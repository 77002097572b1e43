"""What an attempt runs with: a node's arguments with outputs in the places of elements."""

from collections.abc import Callable
from typing import Any

import pydantic_core

from smithersd.elements import Node, Shell, Task
from smithersd.elements.arguments import with_outputs

OutputOf = Callable[[Node[Any]], Any]
"""Returns a node's output, None where it ended without one."""


def start_values(node: Node[Any], output_of: OutputOf) -> tuple[Any, ...]:
    """Return a task's arguments, or a shell's `(command, env)`.

    Raises:
        InvalidOutput: a stored output does not fit its schema any more.
    """
    if isinstance(node, Task):
        return tuple(with_outputs(one, output_of) for one in node.arguments) if node.has_elements else node.arguments
    assert isinstance(node, Shell), f"{node!r} has no attempts"
    return _command(node, output_of), {name: _word(value, output_of) for name, value in node.env.items()}


def _command(node: Shell[Any], output_of: OutputOf) -> str | tuple[str, ...]:
    if isinstance(node.command, str):
        return node.command
    return tuple(_word(word, output_of) for word in node.command)


def _word(word: Any, output_of: OutputOf) -> str:
    """A word of a command: a text as it is, an output that is no text as JSON, a missing one as nothing."""
    value = output_of(word) if isinstance(word, Node) else word
    if value is None:
        return ""
    return value if isinstance(value, str) else pydantic_core.to_json(value).decode()
