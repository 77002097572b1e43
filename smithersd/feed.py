"""The feed: one tail of a run's log, however many follow it.

    the log --read once--> Feed's tail --encoded once--> ring of bytes <--cursor-- Follower
       ^                                                                             |
       +------------------ pages, shared by all who are at the same place <----------+

Three rules hold here:

- A follower is only a cursor. What it has not taken yet lies in the ring or in the log, never in a queue of its own,
  so the slowest follower costs what the fastest one does.
- A wake-up carries nothing: after each one, and after `FEED_POLL_S` without one, the log is read.
- The tail works only while somebody follows.

The feed knows neither the store nor HTTP: it reads a `Log` and encodes with the function that it was given.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from smithersd.core.log.events import TERMINAL_TYPES
from smithersd.errors import StoreUnavailable
from smithersd.limits import (
    FEED_PAGE_ROWS,
    FEED_PAGES_BYTES_MAX,
    FEED_POLL_S,
    FEED_REST_S,
    FEED_RING_BYTES_MAX,
    STREAM_WRITE_BYTES_MAX,
)
from smithersd.loggers import logger

_log = logger(__name__)

_Read = TypeVar("_Read")

_REST_LEAST_S = 0.001
"""A shorter rest than this costs more than it gives."""


class LoggedEvent(Protocol):
    """An event as the log keeps it; seqs are dense."""

    @property
    def seq(self) -> int:
        """Its place in the run's log, from 0."""

    @property
    def type(self) -> str:
        """The name of its kind."""

    @property
    def node_id(self) -> str | None:
        """The node that it tells of, if any."""

    @property
    def payload(self) -> str:
        """Its JSON text."""


class Log(Protocol):
    """One run's log, as a feed reads it."""

    async def last_seq(self) -> int:
        """Return the seq of the last event, -1 while there is none."""

    async def read(self, *, after_seq: int, limit: int) -> Sequence[LoggedEvent]:
        """Return the events after a seq in order, at most `limit`; empty only when there are none."""

    def subscribe(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` in the loop's thread when there may be news; return what ends that."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """An event and the bytes that every client gets of it."""

    seq: int
    type: str
    node_id: str | None
    data: bytes

    @property
    def is_terminal(self) -> bool:
        """Whether the log ends here."""
        return self.type in TERMINAL_TYPES


Encode = Callable[[LoggedEvent], bytes]


class Feed:
    """What tails one run, for any number of followers."""

    def __init__(
        self,
        log: Log,
        *,
        encode: Encode,
        poll_s: float = FEED_POLL_S,
        ring_bytes_max: int = FEED_RING_BYTES_MAX,
    ) -> None:
        self._log = log
        self._encode = encode
        self._poll_s = poll_s
        self._ring_bytes_max = ring_bytes_max
        self._tail: _Tail | None = None
        self._is_closed = False

    @property
    def is_tailing(self) -> bool:
        """Whether somebody follows, and so the log is being read."""
        return self._tail is not None

    @asynccontextmanager
    async def follow(self, after_seq: int) -> AsyncIterator["Follower"]:
        """Follow the log from the event after `after_seq` on."""
        tail = self._tail
        if tail is None:
            tail = self._tail = _Tail(self._log, self._encode, poll_s=self._poll_s, ring_bytes_max=self._ring_bytes_max)
            tail.start()
            if self._is_closed:
                tail.drain()
        tail.followers += 1
        try:
            yield Follower(tail, after_seq)
        finally:
            tail.followers -= 1
            if tail.followers == 0:
                self._tail = None
                await tail.stop()

    def drain(self) -> None:
        """Give every follower what the log holds now, and then the end; whoever comes later gets the same."""
        self._is_closed = True
        if self._tail is not None:
            self._tail.drain()


class Follower:
    """A cursor into one run's log."""

    def __init__(self, tail: "_Tail", after_seq: int) -> None:
        self._tail = tail
        self._page_after = after_seq
        self.cursor = after_seq
        """The seq of the last event that was taken (or of where it started)."""

    @property
    def is_behind(self) -> bool:
        """Whether there is more to take than was taken, so that `take` need not wait for news."""
        ring = self._tail.ring
        return ring is not None and self.cursor < ring.last_seq

    async def take(self, *, bytes_max: int = STREAM_WRITE_BYTES_MAX) -> Sequence[Encoded]:
        """Wait for the next events and take at least one of them, and at most about `bytes_max` in all.

        Empty means the end: the terminal event was taken (or lies before the cursor), or the feed was drained. A
        `take` that is cancelled took nothing.
        """
        while True:
            taken = await self._available(bytes_max)
            if taken is None:
                await self._tail.news()
                continue
            if taken:
                self.cursor = taken[-1].seq
            return taken

    async def _available(self, bytes_max: int) -> Sequence[Encoded] | None:
        """What can be taken at once; None when nothing is there yet."""
        ring = self._tail.ring
        if ring is None:
            return None
        if self.cursor + 1 < ring.first_seq:
            return await self._from_page(bytes_max)
        taken = ring.after(self.cursor, bytes_max)
        if taken:
            return taken
        return () if self._tail.is_at_end else None

    async def _from_page(self, bytes_max: int) -> Sequence[Encoded]:
        """Take from a stored page: the one that was begun, while its successors are not."""
        page = await self._tail.pages.after(self._page_after)
        if not page or page[-1].seq <= self.cursor:
            self._page_after = self.cursor
            page = await self._tail.pages.after(self._page_after)
        if not page:  # the run was pruned
            return ()
        return _upto(page, self.cursor + 1 - page[0].seq, bytes_max)


class _Ring:
    """The newest events, encoded, in a bounded number of bytes (but always the newest one)."""

    def __init__(self, after_seq: int, bytes_max: int) -> None:
        self.first_seq = after_seq + 1
        self._bytes_max = bytes_max
        self._bytes = 0
        self._events: list[Encoded] = []

    @property
    def last_seq(self) -> int:
        return self.first_seq + len(self._events) - 1

    def extend(self, events: Sequence[Encoded]) -> None:
        self._events.extend(events)
        self._bytes += sum(len(event.data) for event in events)
        dropped = 0
        while self._bytes > self._bytes_max and dropped < len(self._events) - 1:
            self._bytes -= len(self._events[dropped].data)
            dropped += 1
        if dropped:
            del self._events[:dropped]
            self.first_seq += dropped

    def after(self, seq: int, bytes_max: int) -> Sequence[Encoded]:
        return _upto(self._events, seq + 1 - self.first_seq, bytes_max)


class _Pages:
    """Stored pages for followers who are behind the ring: each read once, remembered within a bound."""

    def __init__(self, read: Callable[[int], Coroutine[Any, Any, Sequence[Encoded]]]) -> None:
        self._read = read
        self._bytes = 0
        self._sizes: dict[int, int] = {}
        self._pages: OrderedDict[int, asyncio.Task[Sequence[Encoded]]] = OrderedDict()

    async def after(self, seq: int) -> Sequence[Encoded]:
        """Return the page that begins after `seq`; who asks for one that is being read waits for that reading."""
        task = self._pages.get(seq)
        if task is None:
            task = self._pages[seq] = asyncio.create_task(self._fetch(seq))
        self._pages.move_to_end(seq)
        # Shielded: one follower's end must not take the page from the others who wait for it.
        return await asyncio.shield(task)

    def tasks(self) -> list[asyncio.Task[Sequence[Encoded]]]:
        """What is being read or was."""
        return list(self._pages.values())

    async def _fetch(self, seq: int) -> Sequence[Encoded]:
        page = await self._read(seq)
        self._sizes[seq] = size = sum(len(event.data) for event in page)
        self._bytes += size
        for other in list(self._pages):
            if self._bytes <= FEED_PAGES_BYTES_MAX:
                break
            if other != seq and other in self._sizes:
                self._bytes -= self._sizes.pop(other)
                del self._pages[other]
        return page


class _Tail:
    """The one reader of the log, alive while somebody follows."""

    def __init__(self, log: Log, encode: Encode, *, poll_s: float, ring_bytes_max: int) -> None:
        self._log = log
        self._encode = encode
        self._poll_s = poll_s
        self._ring_bytes_max = ring_bytes_max
        self._woken = asyncio.Event()
        self._news = asyncio.Event()
        self._is_draining = False
        self._failure: Exception | None = None
        self._task: asyncio.Task[None] | None = None
        self.pages = _Pages(self._read)
        self.ring: _Ring | None = None
        self.is_at_end = False
        self.followers = 0

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="smithersd-feed")
        self._task.add_done_callback(self._end)

    async def stop(self) -> None:
        tasks: list[asyncio.Task[Any]] = [*self.pages.tasks()]
        if self._task is not None:
            tasks.append(self._task)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def drain(self) -> None:
        self._is_draining = True
        self._woken.set()

    async def news(self) -> None:
        """Wait until the ring has changed.

        Raises:
            RuntimeError: the tail broke down.
        """
        if self._failure is None:
            await self._news.wait()
        if self._failure is not None:
            raise RuntimeError("The feed broke down.") from self._failure

    async def _run(self) -> None:
        unsubscribe = self._log.subscribe(self._woken.set)
        try:
            await self._follow_log()
        except Exception as error:  # noqa: BLE001 - kept and raised again to every follower
            _log.exception("The feed broke down.")
            self._failure = error
        finally:
            unsubscribe()

    def _end(self, _: asyncio.Task[None]) -> None:
        """Nothing is read any more, also where somebody has cancelled that: nobody must wait for it."""
        if not self.is_at_end and self._failure is None:
            self._failure = RuntimeError("Its reading was cancelled.")
        self._publish()

    async def _follow_log(self) -> None:
        # From the last event, not after it: so the tail sees a log that has ended.
        last_seq = await self._retried(self._log.last_seq)
        ring = _Ring(max(last_seq - 1, -1), self._ring_bytes_max)
        while not self.is_at_end:
            self._woken.clear()
            was_draining = self._is_draining
            events = await self._read(ring.last_seq)
            ring.extend(events)
            is_news = bool(events) or self.ring is None or was_draining
            self.ring = ring
            self.is_at_end = events[-1].is_terminal if events else was_draining
            if is_news:
                await self._publish_and_rest()
            if not events and not self.is_at_end:
                await self._wait()

    async def _read(self, after_seq: int) -> Sequence[Encoded]:
        rows = await self._retried(lambda: self._log.read(after_seq=after_seq, limit=FEED_PAGE_ROWS))
        if rows and (rows[0].seq != after_seq + 1 or rows[-1].seq != after_seq + len(rows)):
            raise RuntimeError(f"The log has a gap after seq {after_seq}.")
        return [Encoded(row.seq, row.type, row.node_id, self._encode(row)) for row in rows]

    async def _retried(self, read: Callable[[], Coroutine[Any, Any, _Read]]) -> _Read:
        """Read from the log, again and again while it is out of reach."""
        is_said = False
        while True:
            try:
                return await read()
            except StoreUnavailable as error:
                if not is_said:
                    _log.warning("The feed waits for the store: %s", error)
                    is_said = True
                await asyncio.sleep(self._poll_s)

    async def _wait(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._poll_s):
                await self._woken.wait()

    async def _publish_and_rest(self) -> None:
        """Wake all followers, then leave the loop to others: what comes meanwhile goes out in one piece."""
        self._publish()
        rest_s = self.followers * FEED_REST_S
        if rest_s >= _REST_LEAST_S:
            await asyncio.sleep(rest_s)

    def _publish(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def _upto(events: Sequence[Encoded], start: int, bytes_max: int) -> Sequence[Encoded]:
    """The events from `start` on whose bytes fit; the first one in any case."""
    size = 0
    for index in range(start, len(events)):
        size += len(events[index].data)
        if size > bytes_max:
            return events[start : max(index, start + 1)]
    return events[start:]
