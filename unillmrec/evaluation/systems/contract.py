"""One shape for whatever recommends, and for what it answers."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from unillmrec.evaluation.data.exam import Case, Exam, Integers
from unillmrec.usage import Usage

Scores = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Answer:
    """Item ids, the best first, and what they cost; None where that was not counted.

    *recalled* are the ids that were looked at before the ranking, where a system has such a
    stage: what is not among them no ranking can find. *partial* says what kept the judge from
    answering everything, so that the embedded judge finished the list; *failed* why there is
    no list at all. *fallbacks* counts replies that could not be used and in whose place the
    embedded judge answered; *unusable* those in whose place nobody did.
    """

    items: tuple[str, ...]
    usage: Usage | None = field(default_factory=Usage)
    recalled: tuple[str, ...] | None = None
    partial: str = ""
    failed: str = ""
    fallbacks: int = 0
    unusable: int = 0


class System(Protocol):
    """Recommends to the people of an exam.

    A system learns from the exam once, then answers case by case; it is handed no truth.
    *zero_shot* says whether it does without other people's interactions; *note* what a reader
    of its figures should know, such as who answered in place of a model.
    """

    @property
    def name(self) -> str:
        """What it is called in tables."""

    @property
    def zero_shot(self) -> bool:
        """Whether it uses nobody's interactions but the person's own."""

    @property
    def note(self) -> str:
        """What has to be said beside its figures."""

    def learn(self, exam: Exam) -> None:
        """Take in the catalog and what may be learnt from."""

    def answer(self, case: Case, limit: int) -> Answer:
        """Recommend at most *limit* items to the person of a case.

        Raises:
            EndpointError, ReplyError: there is no list; the calls that were made for this
                person are in its `exchanges`, as far as they are known.
        """


def lot_of(name: str) -> int:
    """Return what breaks a tie where no shelf is at hand: a number that a name alone decides."""
    content = name.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")


class Ordering:
    """Takes the best of scores over a shelf; equal ones in a fixed order drawn by lot.

    A catalog may be sorted by popularity, or list what is asked for first: its own order must
    never decide.
    """

    def __init__(self, exam: Exam, seed: int = 0) -> None:
        self._shelf = exam.shelf
        self._lot = np.random.default_rng((seed, 7)).permutation(len(exam.shelf))

    def places(self, ids: Iterable[str]) -> list[int]:
        """Return where items stand."""
        return [self._shelf.places[each] for each in ids]

    def best(self, scores: Scores | Integers, seen: Collection[str], limit: int) -> tuple[str, ...]:
        """Return the ids of the best unseen items."""
        left = np.array(scores, np.float64)
        left[self.places(seen)] = -np.inf
        count = min(limit, len(left) - len(set(seen)))
        if count <= 0:
            return ()
        # All that may be among the best, ties at the end included; then by score and lot.
        least = np.partition(left, len(left) - count)[len(left) - count]
        near = np.flatnonzero(left >= least)
        order = np.lexsort((self._lot[near], -left[near]))
        return tuple(self._shelf.items[place].id for place in near[order[:count]])
