"""A simulated prefix cache of a provider."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections.abc import Callable


class PrefixCache:
    """Remembers prompts, and counts the tokens that a new one shares with the start of another.

    Shared starts shorter than *minimum* tokens are not kept, as at providers.
    """

    def __init__(self, minimum: int, count: Callable[[str], int]) -> None:
        self._minimum = minimum
        self._count = count
        # Sorted, so that the longest common start is with a neighbour.
        self._prompts: list[str] = []
        self._lock = threading.Lock()

    def add(self, prompt: str) -> int:
        """Store *prompt*; return how many of its tokens were cached."""
        with self._lock:
            place = bisect_left(self._prompts, prompt)
            neighbours = self._prompts[max(0, place - 1) : place + 1]
            if prompt not in neighbours:
                insort(self._prompts, prompt)
        longest = max((_common(prompt, each) for each in neighbours), default=0)
        tokens = self._count(prompt[:longest])
        return tokens if tokens >= self._minimum else 0


def _common(one: str, other: str) -> int:
    """Return the length of the common start of two texts."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[:middle] == other[:middle] else (low, middle - 1)
    return low
