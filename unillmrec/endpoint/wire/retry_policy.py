"""How often a failed request is retried, and after how long a wait."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass

# A year; whatever is longer is as good as never.
_LONGEST_WAIT = 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Limits of retrying, with exponential backoff.

    The wait doubles from *first_wait_seconds* and never exceeds *longest_wait_seconds*; a quarter
    of it is random, so that threads that failed together do not retry together. A server may
    demand a wait of up to *longest_retry_after_seconds*.
    """

    attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    longest_retry_after_seconds: float = 60.0

    def wait(self, retries: int, retry_after: float | None, left: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        *retries* have been made, the server demands a wait of *retry_after* seconds, if any, and
        *left* seconds remain of the call.
        """
        if retries + 1 >= self.attempts:
            return None
        if retry_after is not None and retry_after > self.longest_retry_after_seconds:
            return None
        seconds = min(self.longest_wait_seconds, self.first_wait_seconds * 2**retries)
        seconds *= random.uniform(0.75, 1.0)
        if retry_after is not None:
            # Retrying earlier than demanded prolongs a rate limit.
            seconds = max(seconds, retry_after * random.uniform(1.0, 1.1))
        return seconds if seconds < left else None


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, from `Retry-After` or `retry-after-ms`."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text[:100])
        return max(0.0, moment.timestamp() - time.time())
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def _number(text: str | None) -> float | None:
    try:
        number = float((text or "")[:100])
    except ValueError:
        return None
    return min(number, _LONGEST_WAIT) if number >= 0 else None
