"""Write events as the JSON that the store keeps and clients receive, and read it back."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pydantic_core

from smithersd.core.log.events import Event


@dataclass(frozen=True, slots=True)
class _Wire:
    """How to write and read one event class: `columns` are (attribute, JSON name, whether it is omitted when None).

    `names` are the JSON names in the order of the class's fields. `decoders` convert the fields, by index, whose value
    is not the JSON value itself.
    """

    event_class: type
    type: str
    columns: tuple[tuple[str, str, bool], ...]
    names: tuple[str, ...]
    decoders: tuple[tuple[int, Callable[[Any], Any]], ...]


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _wire(event_class: type) -> _Wire:
    declared = fields(event_class)
    decoders = ((index, f.metadata.get("decode")) for index, f in enumerate(declared))
    return _Wire(
        event_class,
        event_class.__name__,
        columns=tuple((f.name, _camel(f.name), bool(f.metadata.get("omitted_when_none"))) for f in declared),
        names=tuple(_camel(f.name) for f in declared),
        decoders=tuple((index, decode) for index, decode in decoders if decode is not None),
    )


_WIRES: dict[type, _Wire] = {c: _wire(c) for c in Event.__args__}
_WIRES_BY_TYPE: dict[str, _Wire] = {wire.type: wire for wire in _WIRES.values()}


def encode(event: Event, run_id: str, timestamp_ms: int) -> str:
    """Return an event as the JSON text that the store keeps and clients receive."""
    wire = _WIRES[type(event)]
    payload: dict[str, Any] = {"type": wire.type, "runId": run_id}
    for attribute, name, is_omitted_when_none in wire.columns:
        value = getattr(event, attribute)
        if value is not None or not is_omitted_when_none:
            payload[name] = value
    payload["timestampMs"] = timestamp_ms
    return pydantic_core.to_json(payload).decode()


def decode(payload: str | bytes) -> Event:
    """Return the event of a JSON text.

    Raises:
        ValueError: the text is not an event that this version knows; the message says why.
    """
    try:
        values = pydantic_core.from_json(payload)
    except ValueError:
        raise ValueError("the event is not valid JSON") from None
    try:
        name = values["type"]
        wire = _WIRES_BY_TYPE.get(name)
        if wire is None:
            raise ValueError(f"there is no event type {name!r}")
        return _event(wire, values)
    except (KeyError, TypeError) as error:
        raise ValueError(f"the event is not valid: {error!r}") from error


def _event(wire: _Wire, values: dict[str, Any]) -> Event:
    arguments = [values.get(name) for name in wire.names]
    for index, decoder in wire.decoders:
        if arguments[index] is not None:
            arguments[index] = decoder(arguments[index])
    event: Event = wire.event_class(*arguments)
    return event
