"""Read the outputs that an attempt takes as arguments."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from smithersd.core.flow.outputs import read_output
from smithersd.core.log.records import NodeKey
from smithersd.elements import Element, Value
from smithersd.elements.values.schema import Schema


@dataclass(frozen=True, slots=True)
class Source:
    """The node whose output an element stands for, and the schema that validates it."""

    key: NodeKey
    schema: Schema


@dataclass(frozen=True, slots=True)
class OutputText:
    """An output as JSON text, and its source."""

    source: Source
    text: str


Texts = Mapping[Element[Any], OutputText]
"""Outputs by the elements among an attempt's arguments that have one."""

Secrets = Mapping[str, str]
"""The values of an attempt's secrets by their names."""

NO_SECRETS: Secrets = MappingProxyType({})


def output_of(given: Element[Any] | Value[Any], texts: Texts) -> Any:
    """Return an element's output, validated by its schema, or a value made of it; None if it ended without one.

    Raises:
        InvalidOutput: the stored output does not fit its schema (any more).
        ValueFailed: a value cannot be made of it.
    """
    found = texts.get(given.source if isinstance(given, Value) else given)
    if found is None:
        return None
    output = read_output(found.source.key[0], found.text, found.source.schema)
    return given.of(output) if isinstance(given, Value) else output
