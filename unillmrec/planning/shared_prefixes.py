"""Compute how many prompt tokens a server's prefix cache can serve; nothing is sent."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unillmrec.tokens import TokenCounter

Messages = Sequence[tuple[str, str]]
"""A prompt: pairs of the role and the content of each message."""

# Prompts are compared by whole lines.
_LINES = re.compile(r"[^\n]*\n+|[^\n]+")


@dataclass(frozen=True, slots=True)
class SharedTokens:
    """Tokens of prompts, and how many of them are *shared* with the start of an earlier prompt."""

    prompt: int = 0
    shared: int = 0

    def __add__(self, other: SharedTokens) -> SharedTokens:
        return SharedTokens(self.prompt + other.prompt, self.shared + other.shared)

    @property
    def share(self) -> float:
        """The share of all prompt tokens that a prefix cache can serve."""
        return self.shared / self.prompt if self.prompt else 0.0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"prompt": self.prompt, "shared": self.shared}


class SimulatedPrefixCache:
    """Simulates the prefix cache of a server for one model.

    Prefixes shorter than *minimum* tokens are not served (1,024 at some hosted services, 0 at
    local servers). Beyond *capacity* tokens, the least recently used ones are evicted.
    """

    def __init__(
        self, counter: TokenCounter, *, minimum: int = 0, capacity: int | None = None
    ) -> None:
        self._counter = counter
        self._minimum = minimum
        self._capacity = capacity
        self._lengths: dict[str, int] = {}
        # Keys are a line and the id of the prefix before it; values the id of the prefix with it,
        # and its tokens. Ordered by last use, later lines of a prompt before earlier ones, so
        # that eviction always removes the end of a prefix.
        self._known: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()
        self._held = 0
        self._ids = 0

    def add(self, messages: Messages) -> SharedTokens:
        """Count the cached tokens of a prompt, and add the prompt to the cache."""
        keys: list[tuple[int, str]] = []
        prompt = shared = prefix = 0
        hit = True
        for line in _lines(messages):
            key = (prefix, line)
            known = self._known.get(key)
            if known is None:
                hit = False
                known = self._insert(key)
            prefix, length = known
            prompt += length
            shared += length * hit
            keys.append(key)
        for key in reversed(keys):
            self._known.move_to_end(key)
        self._evict()
        return SharedTokens(prompt, shared if shared >= self._minimum else 0)

    def _insert(self, key: tuple[int, str]) -> tuple[int, int]:
        line = key[1]
        if line not in self._lengths:
            self._lengths[line] = self._counter.count(line)
        self._ids += 1
        self._known[key] = self._ids, self._lengths[line]
        self._held += self._lengths[line]
        return self._known[key]

    def _evict(self) -> None:
        while self._capacity is not None and self._held > self._capacity:
            _, (_, length) = self._known.popitem(last=False)
            self._held -= length


def measure_shared_prefix(
    prompts: Iterable[Messages],
    counter: TokenCounter,
    *,
    minimum: int = 0,
    capacity: int | None = None,
) -> SharedTokens:
    """Count the tokens that *prompts*, sent in this order, share with earlier ones.

    *minimum* and *capacity* are those of `SimulatedPrefixCache`.
    """
    cache = SimulatedPrefixCache(counter, minimum=minimum, capacity=capacity)
    return sum(map(cache.add, prompts), SharedTokens())


def _lines(messages: Messages) -> Iterable[str]:
    for role, content in messages:
        yield f"{role}:"
        yield from _LINES.findall(content)
