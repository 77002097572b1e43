"""Attempts: the running attempts of a run, their deadlines, and what they have reported."""

from collections import deque
from collections.abc import Callable, Iterator
from heapq import heappop, heappush

from smithersd.core.flow.outputs import Outputs
from smithersd.core.flow.step import Start
from smithersd.core.log.fold import RunState
from smithersd.core.log.records import NodeKey
from smithersd.engine.attempts.fetching import Fetching, ReadOutput
from smithersd.engine.attempts.live_attempt import Ended, LiveAttempt, News, deadline_of
from smithersd.errors import ErrorInfo
from smithersd.executors import Executors


class Attempts:
    """The running attempts of one engine. `wake` is called whenever one has reported something or ended."""

    def __init__(self, *, captures_output: bool, read: ReadOutput, wake: Callable[[], None]) -> None:
        self._executors = Executors(captures_output=captures_output)
        self._fetching = Fetching(self._executors, read)
        self._wake = wake
        self._live: dict[NodeKey, LiveAttempt] = {}
        self._deadlines: list[tuple[int, int, LiveAttempt]] = []
        self._started = 0
        self._news: deque[News] = deque()
        self._is_abandoned = False

    @property
    def keys(self) -> frozenset[NodeKey]:
        """The nodes that have a running attempt."""
        return frozenset(self._live)

    @property
    def has_any(self) -> bool:
        """Whether any attempt is running."""
        return bool(self._live)

    @property
    def has_news(self) -> bool:
        """Whether there is news that `take_news` has not returned yet."""
        return bool(self._news)

    @property
    def next_deadline_ms(self) -> int | None:
        """When the next running attempt reaches its timeout, or None."""
        while self._deadlines and self._deadlines[0][-1].deadline_ms is None:
            heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def start(self, start: Start, now_ms: int, outputs: Outputs, state: RunState) -> None:
        """Start an attempt; its NodeStarted event must be durable."""
        attempt = LiveAttempt(start, self._add_news, deadline_of(start, now_ms))
        self._live[start.key] = attempt
        if attempt.deadline_ms is not None:
            heappush(self._deadlines, (attempt.deadline_ms, self._started, attempt))
            self._started += 1
        attempt.run(start, outputs.held(start.outputs), state, self._executors, self._fetching)

    def stop(self, key: NodeKey) -> None:
        """Tell a node's attempt to end, if it has a running one."""
        attempt = self._live.get(key)
        if attempt is None:
            return
        attempt.stop()
        if self._is_abandoned:
            attempt.abandon()

    def refuse(self, key: NodeKey, error: ErrorInfo) -> None:
        """Let a node's attempt fail, if one is live."""
        attempt = self._live.get(key)
        if attempt is not None:
            attempt.refuse(error)

    def time_out(self, now_ms: int) -> None:
        """Tell the attempts to end that have reached their timeout."""
        while (deadline_ms := self.next_deadline_ms) is not None and deadline_ms <= now_ms:
            heappop(self._deadlines)[-1].time_out()

    def take_news(self) -> Iterator[News]:
        """Remove and yield the news, the oldest first; an attempt is no longer running once its end was yielded."""
        while self._news:
            news = self._news.popleft()
            if not isinstance(news, Ended):
                yield news
            elif (attempt := self._live.pop(news.key, None)) is not None:
                yield attempt.outcome_of(news)

    def abandon(self) -> None:
        """Stop waiting for attempts that were told to end, or will be: record them as ended at once."""
        self._is_abandoned = True
        for attempt in list(self._live.values()):
            attempt.abandon()

    async def close(self) -> None:
        """Abandon all running attempts, record nothing of them, and close the executors."""
        for attempt in self._live.values():
            attempt.forget()
        self._fetching.close()
        await self._executors.close()

    def _add_news(self, news: News) -> None:
        self._news.append(news)
        self._wake()
