"""How much of a run's prompts a server's prefix cache can serve: computed, nothing is sent."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unillmrec.tokens import TokenCounter

Messages = Sequence[tuple[str, str]]
"""A prompt: the role and the content of each message."""

# A prompt is compared line by line: what two share within a line is not counted.
_LINES = re.compile(r"[^\n]*\n+|[^\n]+")


@dataclass(frozen=True, slots=True)
class SharedTokens:
    """What prompts have in common: of *prompt* tokens, *shared* began an earlier prompt, too."""

    prompt: int = 0
    shared: int = 0

    def __add__(self, other: SharedTokens) -> SharedTokens:
        return SharedTokens(self.prompt + other.prompt, self.shared + other.shared)

    @property
    def share(self) -> float:
        """The part of all prompt tokens that a prefix cache can serve."""
        return self.shared / self.prompt if self.prompt else 0.0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {"prompt": self.prompt, "shared": self.shared}


class SimulatedPrefixCache:
    """A prefix cache as servers keep one, for one model: what begins like before is known.

    Nothing under *minimum* tokens is served (1,024 at some hosted services, none at one's own
    server). Of more than *capacity* tokens, those that were not used for longest are forgotten.
    """

    def __init__(
        self, counter: TokenCounter, *, minimum: int = 0, capacity: int | None = None
    ) -> None:
        self._counter = counter
        self._minimum = minimum
        self._capacity = capacity
        self._lengths: dict[str, int] = {}
        # A line is known by what stands before it: the id of that, and the line. In the order
        # of their last use, and those behind before those in front, so that what is forgotten
        # first is always an end.
        self._known: OrderedDict[tuple[int, str], tuple[int, int]] = OrderedDict()
        self._held = 0
        self._ids = 0

    def take(self, messages: Messages) -> SharedTokens:
        """Return what of a prompt is known, and know all of it from here on."""
        way: list[tuple[int, str]] = []
        prompt = shared = at = 0
        hit = True
        for line in _lines(messages):
            key = (at, line)
            known = self._known.get(key)
            if known is None:
                hit = False
                known = self._learn(key)
            at, length = known
            prompt += length
            shared += length * hit
            way.append(key)
        for key in reversed(way):
            self._known.move_to_end(key)
        self._forget()
        return SharedTokens(prompt, shared if shared >= self._minimum else 0)

    def _learn(self, key: tuple[int, str]) -> tuple[int, int]:
        line = key[1]
        if line not in self._lengths:
            self._lengths[line] = self._counter.count(line)
        self._ids += 1
        self._known[key] = self._ids, self._lengths[line]
        self._held += self._lengths[line]
        return self._known[key]

    def _forget(self) -> None:
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
    """Return what *prompts*, sent to one model in this order, share with earlier ones.

    *minimum* and *capacity* are those of a `SimulatedPrefixCache`.
    """
    cache = SimulatedPrefixCache(counter, minimum=minimum, capacity=capacity)
    return sum(map(cache.take, prompts), SharedTokens())


def _lines(messages: Messages) -> Iterable[str]:
    for role, content in messages:
        yield f"{role}:"
        yield from _LINES.findall(content)
