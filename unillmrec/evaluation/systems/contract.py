"""The interface of a system under evaluation, the lists it returns, and tie-breaking."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unillmrec.evaluation.data.cases import EvaluationCase, EvaluationData, Integers
from unillmrec.usage import Usage

Scores = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class RankedList:
    """Item ids, best first, and the usage of the calls; None if it was not counted.

    *recalled* are the candidates before ranking, if a system has such a stage; ranking cannot
    find anything else. *partial* is the reason why the embedded judge had to finish the list,
    *failed* the reason why there is none. *fallbacks* counts unusable replies that the embedded
    judge replaced, *unusable* those that nothing replaced.
    """

    items: tuple[str, ...]
    usage: Usage | None = field(default_factory=Usage)
    recalled: tuple[str, ...] | None = None
    partial: str = ""
    failed: str = ""
    fallbacks: int = 0
    unusable: int = 0


class System(Protocol):
    """Recommends to the people of an evaluation.

    A system learns from the evaluation data once, then answers case by case; it never receives
    the ground truth.
    """

    @property
    def name(self) -> str:
        """The name in tables."""

    @property
    def zero_shot(self) -> bool:
        """Whether it uses no interactions but the person's own."""

    @property
    def note(self) -> str:
        """What readers of the metrics should know, such as who answered instead of a model."""

    def learn(self, data: EvaluationData) -> None:
        """Prepare to answer, from the items and the training interactions."""

    def answer(self, case: EvaluationCase, limit: int) -> RankedList:
        """Recommend at most *limit* items to the person of a case.

        Raises:
            EndpointError, ReplyError: there is no list; `exchanges` of the error has the calls
                made for this person, as far as they are known.
        """


def tie_break_key(name: str) -> int:
    """Return a pseudo-random number that depends on *name* only."""
    content = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


class ScoreRanker:
    """Selects the items with the best scores; ties are broken pseudo-randomly.

    The order of the catalog must not break ties: it may be sorted by popularity, or begin with
    the held-out items.
    """

    def __init__(self, data: EvaluationData, seed: int = 0) -> None:
        self._index = data.index
        self._tie_break = np.random.default_rng((seed, 7)).permutation(len(data.index))

    def positions(self, ids: Iterable[str]) -> list[int]:
        """Return the positions of item ids in the index."""
        return [self._index.positions[each] for each in ids]

    def best(self, scores: Scores | Integers, seen: Collection[str], limit: int) -> tuple[str, ...]:
        """Return the ids of the best unseen items."""
        unseen = np.array(scores, np.float64)
        unseen[self.positions(seen)] = -np.inf
        count = min(limit, len(unseen) - len(set(seen)))
        if count <= 0:
            return ()
        # Sort only the candidates for the top, ties with the last place included.
        least = np.partition(unseen, len(unseen) - count)[len(unseen) - count]
        top = np.flatnonzero(unseen >= least)
        order = np.lexsort((self._tie_break[top], -unseen[top]))
        return tuple(self._index.items[position].id for position in top[order[:count]])
