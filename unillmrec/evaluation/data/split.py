"""Part what people met into what a system may see and what it is to find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.catalog.problems import RowProblem
from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.exam import Case, Exam, ItemIndex, Known, Split, Truth
from unillmrec.items import Item
from unillmrec.people.fields import read_time
from unillmrec.people.interactions import Integers, Interactions, sequences
from unillmrec.tree.terms import weighted_words

SplitKind: TypeAlias = Literal["last", "time"]

# A history of one item says too little to tell systems apart.
LEAST_HISTORY = 2
# The share of interactions that lie before the cut, where no date is given.
BEFORE = 0.9


@dataclass(frozen=True, slots=True)
class Protocol:
    """How people and their interactions are parted.

    "last" holds out the last item of everybody who met *least_history* items before it; "time"
    all that happens from *cutoff* on, which by default leaves nine tenths of the interactions
    before it. What is rated below *least_rating* is neither in a history nor held out; it was
    met all the same. *people* are drawn with *seed*; 0 takes everybody.
    """

    split: SplitKind = "last"
    people: int = 1_000
    seed: int = 42
    least_rating: float | None = None
    cutoff: float | None = None
    least_history: int = LEAST_HISTORY


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """One person's rows: those a system may see, and those it is to find."""

    person: int
    seen: Integers
    held: Integers


def split(interactions: Interactions, shelf: ItemIndex, protocol: Protocol) -> Split:
    """Part *interactions*; only items on the *shelf* count.

    Raises:
        EvaluationError: nobody is left to ask about, or times are needed and not there.
    """
    chosen = _chosen(interactions, protocol.least_rating)
    liked = interactions.select(chosen)
    places = np.array([shelf.places.get(item, -1) for item in liked.items], np.int64)
    parts = list(sequences(liked, places))
    if protocol.split == "time":
        cutoff = _cutoff(interactions, liked, protocol)
        found = [_by_time(person, rows, liked, cutoff) for person, rows in parts]
    else:
        cutoff = None
        found = [_last(person, rows, protocol.least_history) for person, rows in parts]
    eligible = [
        each for each in found if len(each.seen) >= protocol.least_history and len(each.held)
    ]
    if not eligible:
        raise _nobody(interactions, liked, places, protocol)
    drawn = _drawn(eligible, liked, protocol)
    # Numbers in the order of the file would say which person is which.
    renamed = np.random.default_rng((protocol.seed, 1)).permutation(len(liked.people))
    known = _known(found, liked, places, len(shelf), renamed)
    met = _Met(interactions, places, np.flatnonzero(chosen), cutoff)
    cases, targets, asked, twins = _cases(drawn, met, liked, shelf, places)
    if not cases:
        raise EvaluationError("every held-out item is in its history under another id.")
    facts: dict[str, object] = {
        "split": protocol.split,
        "people": len(cases),
        "eligible": len(eligible),
        "seed": protocol.seed,
        "least_rating": protocol.least_rating,
        "cutoff": cutoff,
        "least_history": protocol.least_history,
        "items": len(shelf),
        "interactions": len(interactions),
        "learnt_from": len(known.item),
        "not_on_shelf": int((places[liked.item] < 0).sum()),
        "ties": _ties(drawn, liked) if protocol.split == "last" else 0,
        "twins": twins,
    }
    rows = {number: int(renamed[person]) for number, person in enumerate(asked)}
    return Split(Exam(shelf, known, cases), Truth(targets), facts, rows)


def _chosen(interactions: Interactions, least: float | None) -> NDArray[np.bool_]:
    """Return which rows are of items that were liked."""
    if least is None:
        return np.ones(len(interactions), bool)
    if np.isnan(interactions.rating).all():
        raise EvaluationError(
            "a least rating is asked for, and there are no ratings.",
            remedy="the command without --least-rating.",
        )
    with np.errstate(invalid="ignore"):
        return np.asarray(interactions.rating >= least)


def _cutoff(interactions: Interactions, liked: Interactions, protocol: Protocol) -> float:
    # Of places in a sequence some are left where ratings are low: they look like times then.
    if not interactions.has_times:
        raise EvaluationError(
            "a split by time needs a time for every interaction.",
            detail="Some have none, or they are only places in each person's sequence.",
            remedy="--split last.",
        )
    if protocol.cutoff is not None:
        return protocol.cutoff
    return float(np.quantile(liked.time, BEFORE))


def _last(person: int, rows: Integers, least_history: int) -> _HeldOut:
    # Of those who met too little to be asked about nothing is held out: all may be learnt from.
    seen = len(rows) - 1 if len(rows) > least_history else len(rows)
    return _HeldOut(person, rows[:seen], rows[seen:])


def _by_time(person: int, rows: Integers, interactions: Interactions, cutoff: float) -> _HeldOut:
    before = interactions.time[rows] < cutoff
    return _HeldOut(person, rows[before], rows[~before])


def _drawn(
    eligible: Sequence[_HeldOut], interactions: Interactions, protocol: Protocol
) -> list[_HeldOut]:
    """Draw people; who is drawn does not depend on the order of the file."""
    ordered = sorted(eligible, key=lambda each: interactions.people[each.person])
    chance = np.random.default_rng(protocol.seed).permutation(len(ordered))
    return [ordered[place] for place in chance[: protocol.people or None]]


def _known(
    found: Sequence[_HeldOut],
    interactions: Interactions,
    places: NDArray[np.int64],
    size: int,
    renamed: Integers,
) -> Known:
    """Return what is not held out of anybody, of whom there are more than are asked about."""
    rows = np.concatenate([each.seen for each in found])
    person = renamed[interactions.person[rows]]
    order = np.argsort(person, kind="stable")
    item = places[interactions.item[rows]]
    return Known(person[order], item[order], len(interactions.people), size)


class _Met:
    """Knows what people met before what is held out of them, whether they liked it or not.

    *rows* are those of all interactions that were liked, in the order of the liked ones.
    """

    def __init__(
        self, interactions: Interactions, places: Integers, rows: Integers, cutoff: float | None
    ) -> None:
        self._place = places[interactions.item]
        self._time = np.nan_to_num(interactions.time, nan=0.0)
        self._rows, self._cutoff = rows, cutoff
        order = np.lexsort((self._time, interactions.person))
        self._order = order[self._place[order] >= 0]
        self._person = interactions.person[self._order]

    def disliked(self, each: _HeldOut) -> list[int]:
        """Return the places of what was met and is neither in the history nor held out."""
        begin, end = np.searchsorted(self._person, (each.person, each.person + 1))
        met = self._order[begin:end]
        if self._cutoff is not None:
            met = met[self._time[met] < self._cutoff]
        else:
            # The rows of a person are in the order of time, and then of the file.
            met = met[: int(np.flatnonzero(met == self._rows[each.held[0]])[0])]
        liked = self._place[self._rows[np.r_[each.seen, each.held]]]
        return [place for place in dict.fromkeys(self._place[met].tolist()) if place not in liked]


def _cases(
    drawn: Sequence[_HeldOut],
    met: _Met,
    interactions: Interactions,
    shelf: ItemIndex,
    places: Integers,
) -> tuple[tuple[Case, ...], dict[int, list[str]], list[int], int]:
    """Make cases, their targets and whose they are; one whose twin was met already is no target."""
    cases: list[Case] = []
    targets: dict[int, list[str]] = {}
    asked: list[int] = []
    twins = 0
    for each in drawn:
        history = [shelf.items[place] for place in places[interactions.item[each.seen]]]
        held = [shelf.items[place] for place in places[interactions.item[each.held]]]
        disliked = [shelf.items[place] for place in met.disliked(each)]
        said = {content_words(item) for item in [*history, *disliked]}
        wanted = [item.id for item in held if content_words(item) not in said]
        twins += len(held) - len(wanted)
        if wanted:
            number = len(cases)
            history_ids, disliked_ids = (
                tuple(item.id for item in items) for items in (history, disliked)
            )
            cases.append(Case(number, history_ids, disliked_ids))
            targets[number] = wanted
            asked.append(each.person)
    return tuple(cases), targets, asked, twins


def content_words(item: Item) -> tuple[str, ...]:
    """Return all words of an item: two items with the same ones are the same to a reader."""
    return tuple(word for found, _ in weighted_words(item) for word in found) or (item.id,)


def _ties(drawn: Sequence[_HeldOut], interactions: Interactions) -> int:
    """Return for how many the last item is last by the order of the file alone."""
    # Where there are no times at all, the file is all there is to go by.
    time = np.nan_to_num(interactions.time)
    return sum(bool(time[each.held[-1]] == time[each.seen[-1]]) for each in drawn)


def _nobody(
    interactions: Interactions, liked: Interactions, places: Integers, protocol: Protocol
) -> EvaluationError:
    on_shelf = int((places[liked.item] >= 0).sum())
    if not on_shelf and len(liked):
        example = liked.items[int(liked.item[0])]
        return EvaluationError(
            f"none of the {len(liked):,} interactions is with an item of the catalog.",
            detail=f"The first is with {example!r}.",
            remedy="histories and a catalog that name items by the same ids.",
        )
    least = protocol.least_history
    return EvaluationError(
        f"nobody is left to ask about: {len(interactions.people):,} people, "
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


def told_time(seconds: float) -> str:
    """Return a cut as people write it: a date where it can be one."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:g}"
