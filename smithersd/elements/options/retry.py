"""How often and how soon a failed attempt is tried again."""

from dataclasses import dataclass

from smithersd.elements.kinds import Backoff
from smithersd.limits import RETRY_DELAY_S_DEFAULT, RETRY_MAX_DELAY_S_DEFAULT

_DOUBLINGS_MAX = 64
"""Beyond this many doublings every delay is at its limit; it keeps 2**k a number."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`retries` attempts after the first, each after a delay; seconds throughout, `jitter` within [0, 1]."""

    retries: int = 0
    delay_s: float = RETRY_DELAY_S_DEFAULT
    backoff: Backoff = Backoff.FIXED
    max_delay_s: float = RETRY_MAX_DELAY_S_DEFAULT
    jitter: float = 0.0

    def delay_before_s(self, retry: int, chance: float) -> float:
        """Return the delay before the given retry (from 1); `chance` within [0, 1] is the draw for the jitter.

        It is d, d*k or d*2^(k-1), at most `max_delay_s`, times a factor within [1-jitter, 1].
        """
        return min(self._grown_s(retry), self.max_delay_s) * (1 - self.jitter * chance)

    def _grown_s(self, retry: int) -> float:
        match self.backoff:
            case Backoff.FIXED:
                return self.delay_s
            case Backoff.LINEAR:
                return self.delay_s * retry
            case Backoff.EXPONENTIAL:
                return self.delay_s * 2.0 ** min(retry - 1, _DOUBLINGS_MAX)
