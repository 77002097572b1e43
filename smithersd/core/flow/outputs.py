"""The outputs of a run as the flow knows them: which nodes have one, and those that are in memory, as JSON text."""

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
    """An output is read that is not in memory: whoever drives the run fetches it, and what read it is done again.

    It is no Exception, so that no `except Exception` of an author's condition catches it.
    """

    def __init__(self, key: NodeKey) -> None:
        super().__init__(key)
        self.key = key


class Outputs:
    """What is put in or held stays until `trim`, which lets the largest go first.

    Reading those again costs the least for what they take, and what renderings read are many small ones.
    """

    def __init__(self) -> None:
        self._known: set[NodeKey] = set()
        self._held: dict[NodeKey, str | None] = {}
        self._largest: list[tuple[int, NodeKey]] = []
        self._bytes = 0

    def put(self, key: NodeKey, text: str) -> None:
        """Keep a node's output, which is in the store once the step is durable."""
        self.note(key)
        self.hold(key, text)

    def note(self, key: NodeKey) -> None:
        """A node has an output in the store."""
        self._known.add(key)

    def hold(self, key: NodeKey, text: str | None) -> None:
        """Hold an output that was read from the store; None where it is not there any more."""
        if key in self._held:
            return
        size = getsizeof(text)
        self._held[key] = text
        self._bytes += size
        heappush(self._largest, (-size, key))

    def trim(self) -> None:
        """Let outputs go until the rest fits into the limit; all that was put in must be durable."""
        while self._bytes > OUTPUTS_HELD_BYTES_MAX:
            size, key = heappop(self._largest)
            self._bytes += size
            del self._held[key]

    def has(self, key: NodeKey) -> bool:
        """Whether a node has an output."""
        return key in self._known

    def held(self, keys: Iterable[NodeKey]) -> dict[NodeKey, str]:
        """Return those of some outputs that are in memory."""
        return {key: text for key in keys if (text := self._held.get(key)) is not None}

    def read(self, key: NodeKey, schema: Schema | None) -> Any:
        """Read an output by its schema (plain data without one); each reader gets an object of its own.

        Raises:
            InvalidOutput: the stored output does not fit the schema (any more), or is gone.
            OutputNotInMemory: it is not in memory.
        """
        if key not in self._held:
            raise OutputNotInMemory(key)
        return read_output(key[0], self._held[key], schema)


def gone(node_id: str) -> InvalidOutput:
    """The error for an output that the log tells of and the store has no more."""
    return InvalidOutput(f"The output of node {node_id!r} is not in the store any more.", remedy="Start a new run.")


def read_output(node_id: str, text: str | None, schema: Schema | None) -> Any:
    """Read a stored output by its schema (plain data without one).

    Raises:
        InvalidOutput: it does not fit the schema (any more), or is gone.
    """
    if text is None:
        raise gone(node_id)
    if schema is None:
        return pydantic_core.from_json(text)
    try:
        return schema.load(text)
    except InvalidOutput as error:
        raise InvalidOutput(
            f"The stored output of node {node_id!r} no longer fits {schema.name}: {error.message}",
            remedy="Undo that change of the type, or start a new run.",
        ) from error
