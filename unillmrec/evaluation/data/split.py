"""Split interactions into what systems may see and what they should predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.catalog.problems import RowProblem
from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.cases import (
    EvaluationCase,
    EvaluationData,
    GroundTruth,
    ItemIndex,
    Split,
    TrainingInteractions,
)
from unillmrec.items import Item
from unillmrec.people.fields import read_time
from unillmrec.people.interactions import Integers, Interactions, sequences
from unillmrec.tree.terms import weighted_words

SplitKind: TypeAlias = Literal["last", "time"]

# Histories of one item are too short to tell systems apart.
LEAST_HISTORY = 2
# The share of interactions before the cutoff, if no date is given.
BEFORE = 0.9


@dataclass(frozen=True, slots=True)
class SplitProtocol:
    """How interactions are split.

    "last" holds out the last item of every person with *least_history* items before it. "time"
    holds out everything from *cutoff* on; by default, nine tenths of the interactions are before
    it. Interactions rated below *least_rating* count as seen, but are neither in a history nor
    held out. *people* are sampled with *seed*; 0 takes everybody.
    """

    split: SplitKind = "last"
    people: int = 1_000
    seed: int = 42
    least_rating: float | None = None
    cutoff: float | None = None
    least_history: int = LEAST_HISTORY


@dataclass(frozen=True, slots=True)
class _PersonSplit:
    """One person's interactions: the rows that systems may see, and the held-out ones."""

    person: int
    seen: Integers
    held_out: Integers


def split(interactions: Interactions, index: ItemIndex, protocol: SplitProtocol) -> Split:
    """Split *interactions*; only items in *index* count.

    Raises:
        EvaluationError: nobody is eligible, or the split needs times and there are none.
    """
    liked_rows = _liked(interactions, protocol.least_rating)
    liked = interactions.select(liked_rows)
    positions = np.array([index.positions.get(item, -1) for item in liked.items], np.int64)
    cutoff = _cutoff(interactions, liked, protocol) if protocol.split == "time" else None
    people = [
        _split_last(person, rows, protocol.least_history)
        if cutoff is None
        else _split_by_time(person, rows, liked, cutoff)
        for person, rows in sequences(liked, positions)
    ]
    eligible = [
        each for each in people if len(each.seen) >= protocol.least_history and len(each.held_out)
    ]
    if not eligible:
        raise _nobody_eligible(interactions, liked, positions, protocol)
    sampled = _sample(eligible, liked, protocol)
    # Numbered in the order of the file, people could be identified.
    row_numbers = np.random.default_rng((protocol.seed, 1)).permutation(len(liked.people))
    training = _training(people, liked, positions, len(index), row_numbers)
    seen = _SeenItems(interactions, positions, np.flatnonzero(liked_rows), cutoff)
    built = _build_cases(sampled, seen, liked, index, positions)
    if not built.cases:
        raise EvaluationError("every held-out item is in its history under another id.")
    facts: dict[str, object] = {
        "split": protocol.split,
        "people": len(built.cases),
        "eligible": len(eligible),
        "seed": protocol.seed,
        "least_rating": protocol.least_rating,
        "cutoff": cutoff,
        "least_history": protocol.least_history,
        "items": len(index),
        "interactions": len(interactions),
        "learnt_from": len(training.item),
        "not_on_shelf": int((positions[liked.item] < 0).sum()),
        "ties": _count_ties(sampled, liked) if cutoff is None else 0,
        "twins": built.twins,
    }
    rows = {number: int(row_numbers[person]) for number, person in enumerate(built.people)}
    data = EvaluationData(index, training, tuple(built.cases))
    return Split(data, GroundTruth(built.targets), facts, rows)


def _liked(interactions: Interactions, least_rating: float | None) -> NDArray[np.bool_]:
    """Return a mask of the interactions that are not rated below *least_rating*."""
    if least_rating is None:
        return np.ones(len(interactions), bool)
    if np.isnan(interactions.rating).all():
        raise EvaluationError(
            "a least rating is given, and there are no ratings.",
            remedy="the command without --least-rating.",
        )
    with np.errstate(invalid="ignore"):
        return np.asarray(interactions.rating >= least_rating)


def _cutoff(interactions: Interactions, liked: Interactions, protocol: SplitProtocol) -> float:
    # Check all interactions: with low ratings removed, positions in a sequence look like times.
    if not interactions.has_times:
        raise EvaluationError(
            "a split by time needs a time for every interaction.",
            detail="Some have none, or they are only positions in each person's sequence.",
            remedy="--split last.",
        )
    if protocol.cutoff is not None:
        return protocol.cutoff
    return float(np.quantile(liked.time, BEFORE))


def _split_last(person: int, rows: Integers, least_history: int) -> _PersonSplit:
    # Nothing is held out of people who are not eligible: all their interactions are training data.
    seen = len(rows) - 1 if len(rows) > least_history else len(rows)
    return _PersonSplit(person, rows[:seen], rows[seen:])


def _split_by_time(
    person: int, rows: Integers, interactions: Interactions, cutoff: float
) -> _PersonSplit:
    before = interactions.time[rows] < cutoff
    return _PersonSplit(person, rows[before], rows[~before])


def _sample(
    eligible: Sequence[_PersonSplit], interactions: Interactions, protocol: SplitProtocol
) -> list[_PersonSplit]:
    """Sample people independently of the order of the file."""
    ordered = sorted(eligible, key=lambda each: interactions.people[each.person])
    shuffled = np.random.default_rng(protocol.seed).permutation(len(ordered))
    return [ordered[number] for number in shuffled[: protocol.people or None]]


def _training(
    people: Sequence[_PersonSplit],
    interactions: Interactions,
    positions: NDArray[np.int64],
    size: int,
    row_numbers: Integers,
) -> TrainingInteractions:
    """Return everybody's interactions that are not held out, sampled people or not."""
    rows = np.concatenate([each.seen for each in people])
    person = row_numbers[interactions.person[rows]]
    order = np.argsort(person, kind="stable")
    item = positions[interactions.item[rows]]
    return TrainingInteractions(person[order], item[order], len(interactions.people), size)


class _SeenItems:
    """Finds the items people saw before their held-out ones, whether they liked them or not.

    *liked_rows* are the rows of the liked interactions among all *interactions*.
    """

    def __init__(
        self,
        interactions: Interactions,
        positions: Integers,
        liked_rows: Integers,
        cutoff: float | None,
    ) -> None:
        self._position = positions[interactions.item]
        self._time = np.nan_to_num(interactions.time, nan=0.0)
        self._liked_rows, self._cutoff = liked_rows, cutoff
        order = np.lexsort((self._time, interactions.person))
        self._order = order[self._position[order] >= 0]
        self._person = interactions.person[self._order]

    def disliked(self, each: _PersonSplit) -> list[int]:
        """Return the positions of seen items that are neither in the history nor held out."""
        begin, end = np.searchsorted(self._person, (each.person, each.person + 1))
        seen = self._order[begin:end]
        if self._cutoff is not None:
            seen = seen[self._time[seen] < self._cutoff]
        else:
            # The rows of a person are ordered by time, then by the file.
            held_out = self._liked_rows[each.held_out[0]]
            seen = seen[: int(np.flatnonzero(seen == held_out)[0])]
        liked = self._position[self._liked_rows[np.r_[each.seen, each.held_out]]]
        unique = dict.fromkeys(self._position[seen].tolist())
        return [position for position in unique if position not in liked]


@dataclass(slots=True)
class _BuiltCases:
    """Cases, their targets by number, and the person behind each; *twins* are dropped targets."""

    cases: list[EvaluationCase]
    targets: dict[int, list[str]]
    people: list[int]
    twins: int = 0


def _build_cases(
    sampled: Sequence[_PersonSplit],
    seen: _SeenItems,
    interactions: Interactions,
    index: ItemIndex,
    positions: Integers,
) -> _BuiltCases:
    """Build the cases; a held-out item with the same words as a seen one is no target."""

    def items_of(rows: Integers) -> list[Item]:
        return [index.items[position] for position in positions[interactions.item[rows]]]

    built = _BuiltCases([], {}, [])
    for each in sampled:
        history, held_out = items_of(each.seen), items_of(each.held_out)
        disliked = [index.items[position] for position in seen.disliked(each)]
        seen_words = {content_words(item) for item in [*history, *disliked]}
        targets = [item.id for item in held_out if content_words(item) not in seen_words]
        built.twins += len(held_out) - len(targets)
        if targets:
            number = len(built.cases)
            ids = (tuple(item.id for item in items) for items in (history, disliked))
            built.cases.append(EvaluationCase(number, *ids))
            built.targets[number] = targets
            built.people.append(each.person)
    return built


def content_words(item: Item) -> tuple[str, ...]:
    """Return all words of an item; items with equal words are the same to a reader."""
    return tuple(word for words, _ in weighted_words(item) for word in words) or (item.id,)


def _count_ties(sampled: Sequence[_PersonSplit], interactions: Interactions) -> int:
    """Count people whose last item is the last only by the order of the file."""
    # Without times, the order of the file is all there is.
    time = np.nan_to_num(interactions.time)
    return sum(bool(time[each.held_out[-1]] == time[each.seen[-1]]) for each in sampled)


def _nobody_eligible(
    interactions: Interactions, liked: Interactions, positions: Integers, protocol: SplitProtocol
) -> EvaluationError:
    in_catalog = int((positions[liked.item] >= 0).sum())
    if not in_catalog and len(liked):
        example = liked.items[int(liked.item[0])]
        return EvaluationError(
            f"none of the {len(liked):,} interactions is with an item of the catalog.",
            detail=f"The first is with {example!r}.",
            remedy="histories and a catalog that use the same item ids.",
        )
    least = protocol.least_history
    return EvaluationError(
        f"nobody is left to evaluate: {len(interactions.people):,} people, "
        f"{len(liked):,} interactions that count.",
        detail=f"A person needs {least} items before the held-out one.",
        remedy="more histories" + (", or another --cutoff." if protocol.split == "time" else "."),
    )


def parse_cutoff(text: str) -> float | None:
    """Read the time of a split from the command line: a number, or an ISO 8601 date.

    Raises:
        EvaluationError: it is neither.
    """
    try:
        return read_time(text)
    except RowProblem as problem:
        raise EvaluationError(f"--cutoff: {problem.problem}.", remedy=problem.remedy) from problem


def format_time(seconds: float) -> str:
    """Format a cutoff as a date, if it can be one, or as a number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
