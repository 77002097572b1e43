"""What an attempt runs with: a node's arguments as copies of its own, with outputs in the places of elements."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pydantic_core

from smithersd.core.flow.outputs import Outputs, read_output
from smithersd.core.log.fold import NodeKey
from smithersd.elements import Node, Shell, Task
from smithersd.elements.values.copies import Copies

Texts = Mapping[NodeKey, str]
"""Outputs as JSON text, of the nodes among an attempt's arguments that have one."""


def outputs_needed(node: Node[Any], outputs: Outputs) -> tuple[NodeKey, ...]:
    """Return whose outputs a node runs with: of the nodes among its arguments those that have one."""
    assert isinstance(node, (Task, Shell)), f"{node!r} has no attempts"
    keys = dict.fromkeys((one.id, 0) for one in node.inputs() if isinstance(one, Node))
    return tuple(key for key in keys if outputs.has(key))


def bound_call(texts: Texts, function: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    """Return a call of a task's function with arguments of its own.

    Raises:
        InvalidOutput: a stored output does not fit its schema (any more).
    """
    copies = Copies(lambda node: _output_of(node, texts))
    own = [copies.of(one) for one in arguments]
    called = copies.of(function) if isinstance(function, functools.partial) else function
    return functools.partial(called, *own)


def shell_words(node: Shell[Any], texts: Texts) -> tuple[str | tuple[str, ...], dict[str, str]]:
    """Return a shell's command and what is added to its environment.

    Raises:
        InvalidOutput: a stored output does not fit its schema (any more).
    """
    command = node.command if isinstance(node.command, str) else tuple(_word(word, texts) for word in node.command)
    return command, {name: _word(value, texts) for name, value in node.env.items()}


def _output_of(node: Node[Any], texts: Texts) -> Any:
    """A node's output, None where it ended without one."""
    text = texts.get((node.id, 0))
    return None if text is None else read_output(node.id, text, node.schema)


def _word(word: Any, texts: Texts) -> str:
    """A word of a command: what is a text in JSON as that text, anything else as JSON, a missing output as nothing."""
    if not isinstance(word, Node):
        return str(word)
    if _output_of(word, texts) is None:
        return ""
    text = texts[word.id, 0]
    return str(pydantic_core.from_json(text)) if text.startswith('"') else text
