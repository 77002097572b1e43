"""GET /events: the run's log, pushed as it grows."""

from collections.abc import Mapping

from aiohttp import web

from smithersd.core.events import EVENT_TYPES, TERMINAL_TYPES
from smithersd.errors import InvalidRequest
from smithersd.feed import Encoded
from smithersd.serve.answers import EVERY_ANSWER
from smithersd.serve.context import CONTEXT
from smithersd.serve.queries import integer, integer_of, read_query
from smithersd.serve.sse import EventStream, Wanted
from smithersd.store.records import RunRow

LAST_EVENT_ID = "Last-Event-ID"


async def events(request: web.Request) -> web.StreamResponse:
    """Stream the events after the larger of afterSeq and Last-Event-ID, until the run's last one."""
    context = request.app[CONTEXT]
    query = read_query(request, "afterSeq", "types", "node")
    after_seq = integer(query, "afterSeq", minimum=-1)
    wanted = _wanted(query)
    run = await context.store.find_run(context.run_id)
    last_id = _last_event_id(request, run)
    if run is not None and run.status.is_final and last_id == run.last_seq:
        # An EventSource that has seen the end stops at a 204; at anything else it would come back for ever.
        return web.Response(status=204, headers=EVERY_ANSWER)
    with context.streams.opened(request):
        stream = EventStream(request)
        async with context.feed.follow(max(-1 if after_seq is None else after_seq, last_id)) as follower:
            await stream.run(follower, wanted)
    return stream.response


def _last_event_id(request: web.Request, run: RunRow | None) -> int:
    """The id that a client comes back with; -1 when it is none of this run."""
    number = integer_of(request.headers.get(LAST_EVENT_ID, "").strip())  # aiohttp before 3.14.3 leaves blanks
    last_seq = -1 if run is None else run.last_seq
    return number if number is not None and -1 <= number <= last_seq else -1


def _wanted(query: Mapping[str, str]) -> Wanted | None:
    types = None if "types" not in query else _types(query["types"])
    node_id = query.get("node")
    if types is None and node_id is None:
        return None

    def is_wanted(event: Encoded) -> bool:
        is_match = (types is None or event.type in types) and (node_id is None or event.node_id == node_id)
        # Every filter lets the end pass: who waits for it must learn of it.
        return is_match or event.type in TERMINAL_TYPES

    return is_wanted


def _types(text: str) -> frozenset[str]:
    types = frozenset(text.split(","))
    unknown = sorted(types - EVENT_TYPES)
    if unknown:
        raise InvalidRequest(
            f"Unknown event type {unknown[0]!r}.", remedy=f"The types are {', '.join(sorted(EVENT_TYPES))}."
        )
    return types
