"""How often a failed request is repeated, and after how long."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Bounds of repetition.

    The wait doubles from *first_wait_seconds* on and never passes *longest_wait_seconds*; a
    quarter of it is random, so that threads that failed together do not come back together.
    A server may ask for up to *longest_asked_seconds*.
    """

    attempts: int = 4
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 8.0
    longest_asked_seconds: float = 60.0

    def wait(self, retries: int, asked: float | None, left: float) -> float | None:
        """Return the seconds to wait before the next attempt, or None to give up.

        *retries* were made, the server *asked* for a pause or did not, and *left* seconds
        remain of the call.
        """
        if retries + 1 >= self.attempts:
            return None
        if asked is not None and asked > self.longest_asked_seconds:
            return None
        seconds = min(self.longest_wait_seconds, self.first_wait_seconds * 2**retries)
        seconds *= random.uniform(0.75, 1.0)
        if asked is not None:
            # Coming back earlier than asked is what prolongs a limit.
            seconds = max(seconds, asked * random.uniform(1.0, 1.1))
        return seconds if seconds < left else None


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server asks to wait, from `Retry-After` and its relatives."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _number(text)
    if seconds is not None or text is None:
        return seconds
    from email.utils import parsedate_to_datetime

    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, moment.timestamp() - time.time())


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < 1e9 else None
