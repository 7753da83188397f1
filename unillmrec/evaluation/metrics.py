"""What lists are worth, person by person: accuracy by a library, the rest by a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import MissingExtraError
from unillmrec.evaluation.data.exam import Integers, Split, Truth
from unillmrec.evaluation.statistics import Bootstrap, Estimate, Floats, jackknife, same_for_all
from unillmrec.evaluation.systems.content import text_rows
from unillmrec.evaluation.systems.contract import Answer

ACCURACY = ("recall", "ndcg", "mrr", "hit")
_NOBODY = -1


@dataclass(frozen=True, slots=True)
class Void:
    """Places of lists that count as misses: what may not stand in a list, or is not there."""

    seen: int = 0
    repeated: int = 0
    unknown: int = 0
    missing: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Graded:
    """One system's lists as the scorer took them.

    *accuracy* has a row for each case and a column for each of `ACCURACY`; *lists* the places
    of items on the shelf, -1 where nothing that counts stands. *reached* says of each case
    whether a target was among what the system recalled, if it says what it recalled.
    """

    accuracy: Floats
    lists: Integers
    void: Void
    reached: NDArray[np.float64] | None = None


class Scorer:
    """Holds the truth, and grades lists against it.

    A list is taken as it stands: what the person has seen, what comes twice and what is in no
    catalog keeps its place and counts as a miss, so that nothing moves up behind it.
    """

    def __init__(self, split: Split, at: int = 10, seed: int = 0) -> None:
        self.at = at
        self._truth: Truth = split.truth
        self._exam = split.exam
        self._bootstrap = Bootstrap(len(split.exam.cases), seed)
        counts = split.exam.known.counts
        self._share = (counts + 1) / (split.exam.known.people + 1)
        self._counts = counts.astype(np.float64)

    @cached_property
    def _rows(self) -> Any:
        """The words of the items, read while others may be answering."""
        return text_rows(self._exam.shelf)

    @property
    def bootstrap(self) -> Bootstrap:
        """What resamples the people, the same ones for every system."""
        return self._bootstrap

    def grade(self, answers: Sequence[Answer]) -> Graded:
        """Grade one answer for each case, in the order of the cases."""
        lists, void = self._taken(answers)
        return Graded(self._accuracy(lists), lists, void, self._reached(answers))

    def _taken(self, answers: Sequence[Answer]) -> tuple[Integers, Void]:
        places = self._exam.shelf.places
        lists = np.full((len(answers), self.at), _NOBODY, np.int64)
        seen = repeated = unknown = missing = 0
        for row, (case, answer) in enumerate(zip(self._exam.cases, answers, strict=True)):
            met, listed = set(case.seen), set[str]()
            for rank, item_id in enumerate(answer.items[: self.at]):
                if item_id not in places:
                    unknown += 1
                elif item_id in met:
                    seen += 1
                elif item_id in listed:
                    repeated += 1
                else:
                    lists[row, rank] = places[item_id]
                listed.add(item_id)
            missing += max(self.at - len(answer.items), 0)
        return lists, Void(seen, repeated, unknown, missing)

    def _accuracy(self, lists: Integers) -> Floats:
        places = self._exam.shelf.places
        wanted = [
            [places[item_id] for item_id in sorted(self._truth.of(case.number))]
            for case in self._exam.cases
        ]
        return accuracy(lists, wanted, self.at)

    def _reached(self, answers: Sequence[Answer]) -> NDArray[np.float64] | None:
        if any(answer.recalled is None for answer in answers):
            return None
        pairs = zip(self._exam.cases, answers, strict=True)
        return np.array(
            [
                len(self._truth.of(case.number).intersection(answer.recalled or ()))
                / len(self._truth.of(case.number))
                for case, answer in pairs
            ]
        )

    def estimates(self, graded: Graded) -> dict[str, Estimate]:
        """Return every figure of a system with its interval, by name."""
        at = self.at
        names = [f"{name}@{at}" for name in ACCURACY]
        columns = {name: graded.accuracy[:, place] for place, name in enumerate(names)}
        if graded.reached is not None:
            columns["recalled"] = graded.reached
        resampled = self._bootstrap.estimates(np.column_stack(list(columns.values())))
        found = dict(zip(columns, resampled, strict=True))
        for name, values in columns.items():
            if values[0] in (0.0, 1.0) and not np.ptp(values):
                found[name] = same_for_all(float(values[0]), len(values))
        found[f"coverage@{at}"] = self._coverage(graded.lists)
        return found | self._likeness(graded.lists)

    def _likeness(self, lists: Integers) -> dict[str, Estimate]:
        """Return what lists are like, over those that have items, or pairs of them."""
        count = (lists >= 0).sum(axis=1)
        some, pairs = (count > 0).astype(np.float64), (count > 1).astype(np.float64)
        popularity = some * self._popularity(lists), some * self._history_popularity()
        ratio = self._bootstrap.ratio
        return {
            "intra-list distance": ratio(self._distance(lists), pairs),
            "novelty": ratio(self._novelty(lists), some),
            "popularity lift": ratio(*popularity, less=1.0),
        }

    def _coverage(self, lists: Integers) -> Estimate:
        """Return the share of the catalog that is in somebody's list."""
        size = len(self._exam.shelf)
        listed, counts = np.unique(lists[lists >= 0], return_counts=True)
        alone = np.zeros(size, bool)
        alone[listed[counts == 1]] = True
        mine = np.where(lists >= 0, alone[lists], False).sum(axis=1)
        return jackknife(len(listed) / size, (len(listed) - mine) / size)

    def _distance(self, lists: Integers) -> Floats:
        """Return the mean distance (1 less the cosine of the words) of the pairs in each list.

        Where there is no pair it is 0, and counts for nothing.
        """
        from scipy.sparse import csr_matrix

        filled = lists >= 0
        owner = np.nonzero(filled)[0]
        ones = np.ones(len(owner), np.float32)
        shape = (len(lists), len(self._exam.shelf))
        sums = csr_matrix((ones, (owner, lists[filled])), shape) @ self._rows
        count = filled.sum(axis=1).astype(np.float64)
        # The square of a sum of unit vectors is their number and twice the sum of all cosines.
        square = np.asarray(sums.multiply(sums).sum(axis=1), np.float64).ravel()
        pairs = np.maximum(count * (count - 1), 1)
        return np.where(count > 1, 1 - (square - count) / pairs, 0.0)

    def _novelty(self, lists: Integers) -> Floats:
        """Return the mean surprise of each list in bits: -log2 of the share who met an item."""
        return _mean_over(-np.log2(self._share), lists)

    def _popularity(self, lists: Integers) -> Floats:
        return _mean_over(self._counts, lists)

    def _history_popularity(self) -> Floats:
        places = self._exam.shelf.places
        return np.array(
            [
                self._counts[[places[each] for each in case.history]].mean()
                for case in self._exam.cases
            ]
        )


def _mean_over(values: Floats, lists: Integers) -> Floats:
    """Return the mean value of each list's items; of an empty one 0, which counts for nothing."""
    filled = lists >= 0
    summed = np.where(filled, values[lists], 0.0).sum(axis=1)
    means: Floats = summed / np.maximum(filled.sum(axis=1), 1)
    return means


def accuracy(lists: Integers, wanted: Sequence[Sequence[int]], at: int) -> Floats:
    """Return recall, ndcg, mrr and hit at *at*, a row for each list, as ir-measures has them.

    ndcg weighs a place by 1/log2(rank + 1), and its ideal has min(*at*, wanted) hits.

    Raises:
        MissingExtraError: ir-measures is not installed.
    """
    try:
        import ir_measures
    except ImportError as error:
        raise MissingExtraError("evaluation", "ir-measures", "eval") from error
    measures = [
        ir_measures.R @ at,
        ir_measures.nDCG @ at,
        ir_measures.RR @ at,
        ir_measures.Success @ at,
    ]
    column = {str(measure): number for number, measure in enumerate(measures)}
    # Scores are made from the ranks and fall strictly: the library breaks ties by document id.
    # What counts for nothing keeps its place under a name that nothing else has.
    run = {
        str(row): {
            str(place) if place >= 0 else f"void {rank}": float(at - rank)
            for rank, place in enumerate(listed)
        }
        for row, listed in enumerate(lists[:, :at].tolist())
    }
    truth = {str(row): dict.fromkeys(map(str, each), 1) for row, each in enumerate(wanted)}
    found = np.zeros((len(lists), len(measures)))
    for metric in ir_measures.iter_calc(measures, truth, run):
        found[int(metric.query_id), column[str(metric.measure)]] = metric.value
    return found
