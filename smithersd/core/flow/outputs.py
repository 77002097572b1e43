"""The outputs of a run: which nodes have one, and the JSON text of those that are in memory."""

from collections.abc import Iterable
from heapq import heappop, heappush
from sys import getsizeof
from typing import Any

import pydantic_core

from smithersd.core.log.records import NodeKey
from smithersd.elements.values.schema import Schema
from smithersd.errors import InvalidOutput
from smithersd.limits import OUTPUTS_HELD_BYTES_MAX


class OutputNotInMemory(BaseException):
    """An output that is read is not in memory: the engine fetches it, and the reading function is called again.

    It is not an Exception, so that no `except Exception` in an author's function catches it.
    """

    def __init__(self, key: NodeKey) -> None:
        super().__init__(key)
        self.key = key


class Outputs:
    """The outputs of one run. They stay in memory until `trim`, which drops the largest first.

    Reading those again costs the least for the memory that they free; renderings mostly read many small ones.
    """

    def __init__(self) -> None:
        self._known: set[NodeKey] = set()
        self._held: dict[NodeKey, str | None] = {}
        self._largest: list[tuple[int, NodeKey]] = []
        self._bytes = 0

    def put(self, key: NodeKey, text: str) -> None:
        """Add a node's new output, which is in the store once the step is durable."""
        self.note(key)
        self.hold(key, text)

    def note(self, key: NodeKey) -> None:
        """Note that a node has an output in the store."""
        self._known.add(key)

    def hold(self, key: NodeKey, text: str | None) -> None:
        """Keep an output that was read from the store in memory; None if the store no longer has it."""
        if key in self._held:
            return
        size = getsizeof(text)
        self._held[key] = text
        self._bytes += size
        heappush(self._largest, (-size, key))

    def trim(self) -> None:
        """Drop outputs from memory until the rest fits into the limit; all of them must be durable."""
        while self._bytes > OUTPUTS_HELD_BYTES_MAX:
            size, key = heappop(self._largest)
            self._bytes += size
            del self._held[key]

    def has(self, key: NodeKey) -> bool:
        """Return whether a node has an output."""
        return key in self._known

    def held(self, keys: Iterable[NodeKey]) -> dict[NodeKey, str]:
        """Return the outputs of these nodes that are in memory, as JSON text."""
        return {key: text for key in keys if (text := self._held.get(key)) is not None}

    def read(self, key: NodeKey, schema: Schema | None) -> Any:
        """Return an output, validated by the schema (plain data without one); each call returns a new object.

        Raises:
            InvalidOutput: the stored output does not fit the schema (any more), or the store no longer has it.
            OutputNotInMemory: it is not in memory.
        """
        if key not in self._held:
            raise OutputNotInMemory(key)
        return read_output(key[0], self._held[key], schema)


def lost_output(node_id: str) -> InvalidOutput:
    """Return the error for an output that the log has an event of, but that the store no longer has."""
    return InvalidOutput(f"The output of node {node_id!r} is not in the store any more.", remedy="Start a new run.")


def read_output(node_id: str, text: str | None, schema: Schema | None) -> Any:
    """Return a stored output, validated by the schema (plain data without one).

    Raises:
        InvalidOutput: it does not fit the schema (any more), or `text` is None: the store no longer has it.
    """
    if text is None:
        raise lost_output(node_id)
    if schema is None:
        return pydantic_core.from_json(text)
    try:
        return schema.load(text)
    except InvalidOutput as error:
        raise InvalidOutput(
            f"The stored output of node {node_id!r} no longer fits {schema.name}: {error.message}",
            remedy="Undo the change of its type, or start a new run.",
        ) from error
