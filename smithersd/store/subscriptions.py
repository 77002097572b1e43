"""Subscriptions to runs. A notification carries no data: the subscriber reads the store."""

from collections.abc import Callable
from typing import Protocol

from smithersd.store.database import OnChange
from smithersd.store.records import Topic

Wake = Callable[[], None]


class Watch(Protocol):
    """The type of `Database.watch`."""

    def __call__(self, on_change: OnChange | None, followed: frozenset[str] = frozenset()) -> None:
        """Start, change or stop the notifications of other processes' writes."""


class Subscriptions:
    """Callbacks by run and topic. While there are any, commits of other processes are watched."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._wakes: dict[tuple[str, Topic], list[Wake]] = {}

    def add(self, run_id: str, topic: Topic, wake: Wake) -> Callable[[], None]:
        """Add a callback; return a function that removes it, and may be called more than once."""
        key = (run_id, topic)
        self._wakes.setdefault(key, []).append(wake)
        if len(self._wakes[key]) == 1:
            self._watch_wanted()

        def remove() -> None:
            wakes = self._wakes.get(key, [])
            if wake in wakes:
                wakes.remove(wake)
                if not wakes:
                    del self._wakes[key]
                    self._watch_wanted()

        return remove

    def wake(self, run_id: str, topic: Topic) -> None:
        """Call the callbacks of a run and topic."""
        for wake in list(self._wakes.get((run_id, topic), ())):
            wake()

    def _watch_wanted(self) -> None:
        followed = frozenset(run_id for run_id, topic in self._wakes if topic is Topic.EVENTS)
        self._watch(self._on_change if self._wakes else None, followed)

    def _on_change(self, run_id: str | None) -> None:
        for changed_run_id, topic in list(self._wakes):
            if run_id in {None, changed_run_id}:
                self.wake(changed_run_id, topic)
