"""Who wants to be woken when a run has something new: notifications only wake, the store is read each time."""

from collections.abc import Callable

from smithersd.store.database import OnChange
from smithersd.store.records import Topic

Wake = Callable[[], None]


class Subscriptions:
    """Wakers by run and topic. While there are any, commits of other processes are watched for."""

    def __init__(self, watch: Callable[[OnChange | None], None]) -> None:
        self._watch = watch
        self._wakes: dict[tuple[str, Topic], list[Wake]] = {}

    def add(self, run_id: str, topic: Topic, wake: Wake) -> Callable[[], None]:
        """Add a waker; return what takes it away again (once is enough, more do no harm)."""
        if not self._wakes:
            self._watch(self._on_change)
        self._wakes.setdefault((run_id, topic), []).append(wake)

        def remove() -> None:
            wakes = self._wakes.get((run_id, topic), [])
            if wake in wakes:
                wakes.remove(wake)
                if not wakes:
                    del self._wakes[run_id, topic]
                if not self._wakes:
                    self._watch(None)

        return remove

    def wake(self, run_id: str, topic: Topic) -> None:
        """Wake those who follow this."""
        for wake in list(self._wakes.get((run_id, topic), ())):
            wake()

    def _on_change(self, run_id: str | None) -> None:
        for changed_run_id, topic in list(self._wakes):
            if run_id in {None, changed_run_id}:
                self.wake(changed_run_id, topic)
