"""GET /events: the run's log, pushed as it grows."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import hdrs, web

from smithersd.core.log.events import TERMINAL_TYPES
from smithersd.errors import InvalidRequest, StoreUnavailable
from smithersd.feed import Encoded
from smithersd.limits import STREAM_RETRY_AFTER_S
from smithersd.serve.answer_time import within_answer_time
from smithersd.serve.answers import EVERY_ANSWER
from smithersd.serve.context import RunContext, run_of
from smithersd.serve.errors import NotReady, TooManyStreams
from smithersd.serve.queries import integer, integer_of, read_query
from smithersd.serve.run_match import RUN_HEADER, run_header
from smithersd.serve.streams.sse import CONTENT_TYPE, EventFilter, EventStream, retry_answer

LAST_EVENT_ID = "Last-Event-ID"
LAST_EVENT_ID_PARAMETER = "lastEventId"
"""The same as a query parameter, for clients that cannot send headers."""


@dataclass(frozen=True, slots=True)
class _StreamStart:
    """Where a stream starts, a note on that for the client, and whether there is nothing left to send."""

    after_seq: int
    note: str | None
    is_at_end: bool


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events after the larger of afterSeq and Last-Event-ID, up to the run's last one."""
    context = run_of(request)
    query = read_query(request, "afterSeq", LAST_EVENT_ID_PARAMETER, "types", "node")
    after_seq = integer(query, "afterSeq", minimum=-1)
    last_ids = [request.headers.get(LAST_EVENT_ID, ""), query.get(LAST_EVENT_ID_PARAMETER, "")]
    event_filter = _event_filter(query)
    try:
        start = await _start(context, -1 if after_seq is None else after_seq, last_ids)
        if start.is_at_end:
            # An EventSource that has seen the end stops at a 204; at anything else it would reconnect for ever.
            return web.Response(status=HTTPStatus.NO_CONTENT, headers=EVERY_ANSWER)
        with context.streams.opened(request):
            stream = EventStream(request, note=start.note, headers={RUN_HEADER: run_header(context.run_id)})
            async with context.feed.follow(start.after_seq) as follower:
                await stream.run(follower, event_filter)
        return stream.response
    except (TooManyStreams, NotReady, StoreUnavailable) as error:
        if CONTENT_TYPE not in request.headers.get(hdrs.ACCEPT, ""):
            raise
        return retry_answer(error, after_s=STREAM_RETRY_AFTER_S)


async def _start(context: RunContext, after_seq: int, last_ids: Sequence[str]) -> _StreamStart:
    async with within_answer_time():
        run = await context.store.find_run(context.run_id)
    last_seq = -1 if run is None else run.last_seq
    note = None
    for seq in (integer_of(text) for text in last_ids):
        if seq is not None and seq > last_seq:
            note = f"this run has no event {seq}"
        elif seq is not None:
            after_seq = max(after_seq, seq)
    if note is not None:
        note = f"{note}: the stream starts {'at its beginning' if after_seq < 0 else f'after event {after_seq}'}"
    return _StreamStart(after_seq, note, run is not None and run.status.is_final and after_seq >= last_seq)


_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]{0,63}", re.ASCII)


def _event_filter(query: Mapping[str, str]) -> EventFilter | None:
    types = None if "types" not in query else _types(query["types"])
    node_id = query.get("node")
    if types is None and node_id is None:
        return None

    def is_wanted(event: Encoded) -> bool:
        is_match = (types is None or event.type in types) and (node_id is None or event.node_id == node_id)
        # The run's end passes every filter: clients wait for it.
        return is_match or event.type in TERMINAL_TYPES

    return is_wanted


def _types(text: str) -> frozenset[str]:
    """Parse the parameter `types`; a name that this version does not know may be one of a later version."""
    types = frozenset(text.split(","))
    invalid = sorted(name for name in types if _TYPE.fullmatch(name) is None)
    if invalid:
        raise InvalidRequest(
            f"The query parameter 'types' has {invalid[0][:50]!r}, which cannot be an event type.",
            remedy="It is a list such as NodeStarted,NodeFinished.",
        )
    return types
