"""How often a failed attempt is retried, and after which delay."""

from dataclasses import dataclass

from smithersd.elements.kinds import Backoff
from smithersd.elements.options.retry_on import RetryRule
from smithersd.limits import RETRY_DELAY_S_DEFAULT, RETRY_MAX_DELAY_S_DEFAULT

_DOUBLINGS_MAX = 64
"""After this many doublings every delay is at its limit, and 2.0**k is still a finite number."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `retries` attempts after the first, each after a delay in seconds; `jitter` is within [0, 1].

    `rule` decides which errors are retried.
    """

    retries: int = 0
    delay_s: float = RETRY_DELAY_S_DEFAULT
    backoff: Backoff = Backoff.FIXED
    max_delay_s: float = RETRY_MAX_DELAY_S_DEFAULT
    jitter: float = 0.0
    rule: RetryRule = RetryRule()

    def delay_before_s(self, retry: int, chance: float) -> float:
        """Return the delay before the given retry, numbered from 1; `chance` is a random number within [0, 1].

        The delay is d, d*k or d*2^(k-1), at most `max_delay_s`, times 1 - jitter * chance.
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
