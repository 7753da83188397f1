"""Metrics of recommended lists: accuracy from ir-measures, and diversity, novelty and coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import MissingExtraError
from unillmrec.evaluation.data.cases import Integers, Split
from unillmrec.evaluation.statistics import Bootstrap, Estimate, Floats, jackknife, same_for_all
from unillmrec.evaluation.systems.content import text_rows
from unillmrec.evaluation.systems.contract import RankedList

ACCURACY = ("recall", "ndcg", "mrr", "hit")
_NO_ITEM = -1


@dataclass(frozen=True, slots=True)
class InvalidEntries:
    """Counts of list entries that count as misses: items that must not be listed, or missing."""

    seen: int = 0
    repeated: int = 0
    unknown: int = 0
    missing: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return the counts by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class ScoredLists:
    """The lists of one system with their accuracy.

    *accuracy* has a row per case and a column per metric of `ACCURACY`. *lists* holds positions
    in the item index, -1 for entries that count as misses. *recalled* is the share of each
    case's held-out items among the candidates, if the system reports its candidates.
    """

    accuracy: Floats
    lists: Integers
    invalid: InvalidEntries
    recalled: NDArray[np.float64] | None = None


class Scorer:
    """Holds the ground truth, and scores lists against it.

    Lists are scored as they are: items that the person has seen, repeated items and unknown
    items keep their rank and count as misses; later items do not move up.
    """

    def __init__(self, split: Split, at: int = 10, seed: int = 0) -> None:
        self.at = at
        self.bootstrap = Bootstrap(len(split.data.cases), seed)
        self._truth = split.truth
        self._data = split.data
        counts = split.data.training.counts
        self._share = (counts + 1) / (split.data.training.people + 1)
        self._counts = counts.astype(np.float64)

    @cached_property
    def _rows(self) -> Any:
        """The TF-IDF vectors of the items, computed on first use."""
        return text_rows(self._data.index)

    def score(self, answers: Sequence[RankedList]) -> ScoredLists:
        """Score one list per case, in the order of the cases."""
        lists, invalid = self._validate(answers)
        return ScoredLists(self._accuracy(lists), lists, invalid, self._recalled(answers))

    def _validate(self, answers: Sequence[RankedList]) -> tuple[Integers, InvalidEntries]:
        """Return the lists as positions in the index, and the counts of invalid entries."""
        positions = self._data.index.positions
        lists = np.full((len(answers), self.at), _NO_ITEM, np.int64)
        seen = repeated = unknown = missing = 0
        for row, (case, answer) in enumerate(zip(self._data.cases, answers, strict=True)):
            seen_items, listed = set(case.seen), set[str]()
            for rank, item_id in enumerate(answer.items[: self.at]):
                if item_id not in positions:
                    unknown += 1
                elif item_id in seen_items:
                    seen += 1
                elif item_id in listed:
                    repeated += 1
                else:
                    lists[row, rank] = positions[item_id]
                listed.add(item_id)
            missing += max(self.at - len(answer.items), 0)
        return lists, InvalidEntries(seen, repeated, unknown, missing)

    def _accuracy(self, lists: Integers) -> Floats:
        positions = self._data.index.positions
        targets = [
            [positions[item_id] for item_id in sorted(self._truth.items_of(case.number))]
            for case in self._data.cases
        ]
        return accuracy(lists, targets, self.at)

    def _recalled(self, answers: Sequence[RankedList]) -> NDArray[np.float64] | None:
        if any(answer.recalled is None for answer in answers):
            return None
        shares = []
        for case, answer in zip(self._data.cases, answers, strict=True):
            targets = self._truth.items_of(case.number)
            shares.append(len(targets.intersection(answer.recalled or ())) / len(targets))
        return np.array(shares)

    def estimates(self, scored: ScoredLists) -> dict[str, Estimate]:
        """Return all metrics of a system with their intervals, by name."""
        at = self.at
        names = [f"{name}@{at}" for name in ACCURACY]
        columns = {name: scored.accuracy[:, number] for number, name in enumerate(names)}
        if scored.recalled is not None:
            columns["recalled"] = scored.recalled
        resampled = self.bootstrap.estimates(np.column_stack(list(columns.values())))
        estimates = dict(zip(columns, resampled, strict=True))
        for name, values in columns.items():
            if values[0] in (0.0, 1.0) and not np.ptp(values):
                estimates[name] = same_for_all(float(values[0]), len(values))
        estimates[f"coverage@{at}"] = self._coverage(scored.lists)
        return estimates | self._beyond_accuracy(scored.lists)

    def _beyond_accuracy(self, lists: Integers) -> dict[str, Estimate]:
        """Return diversity, novelty and popularity, over the lists with enough items."""
        count = (lists >= 0).sum(axis=1)
        some, pairs = (count > 0).astype(np.float64), (count > 1).astype(np.float64)
        popularity = some * self._popularity(lists), some * self._history_popularity()
        ratio = self.bootstrap.ratio
        return {
            "intra-list distance": ratio(self._distance(lists), pairs),
            "novelty": ratio(self._novelty(lists), some),
            "popularity lift": ratio(*popularity, less=1.0),
        }

    def _coverage(self, lists: Integers) -> Estimate:
        """Return the share of the catalog that is in any list."""
        size = len(self._data.index)
        listed, counts = np.unique(lists[lists >= 0], return_counts=True)
        listed_once = np.zeros(size, bool)
        listed_once[listed[counts == 1]] = True
        lost = np.where(lists >= 0, listed_once[lists], False).sum(axis=1)
        return jackknife(len(listed) / size, (len(listed) - lost) / size)

    def _distance(self, lists: Integers) -> Floats:
        """Return the mean distance (1 - cosine of the words) of the pairs in each list.

        It is 0 for lists without pairs, which are left out of the mean over people.
        """
        from scipy.sparse import csr_matrix

        filled = lists >= 0
        owner = np.nonzero(filled)[0]
        ones = np.ones(len(owner), np.float32)
        shape = (len(lists), len(self._data.index))
        sums = csr_matrix((ones, (owner, lists[filled])), shape) @ self._rows
        count = filled.sum(axis=1).astype(np.float64)
        # The squared sum of unit vectors is their number plus twice the sum of all cosines.
        square = np.asarray(sums.multiply(sums).sum(axis=1), np.float64).ravel()
        pairs = np.maximum(count * (count - 1), 1)
        return np.where(count > 1, 1 - (square - count) / pairs, 0.0)

    def _novelty(self, lists: Integers) -> Floats:
        """Return the mean of -log2 of the share of people with an item, per list."""
        return _mean_over(-np.log2(self._share), lists)

    def _popularity(self, lists: Integers) -> Floats:
        return _mean_over(self._counts, lists)

    def _history_popularity(self) -> Floats:
        positions = self._data.index.positions
        return np.array(
            [
                self._counts[[positions[each] for each in case.history]].mean()
                for case in self._data.cases
            ]
        )


def _mean_over(values: Floats, lists: Integers) -> Floats:
    """Return the mean value of each list's items, 0 for empty lists."""
    filled = lists >= 0
    summed = np.where(filled, values[lists], 0.0).sum(axis=1)
    means: Floats = summed / np.maximum(filled.sum(axis=1), 1)
    return means


def accuracy(lists: Integers, targets: Sequence[Sequence[int]], at: int) -> Floats:
    """Return recall, ndcg, mrr and hit at *at* as ir-measures defines them, a row per list.

    ndcg weighs rank r by 1/log2(r + 1), and its ideal list has min(*at*, targets) hits.

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
    # Scores decrease strictly with the rank, because the library breaks ties by document id.
    # Invalid entries keep their rank under a unique name.
    run = {
        str(row): {
            str(position) if position >= 0 else f"void {rank}": float(at - rank)
            for rank, position in enumerate(listed)
        }
        for row, listed in enumerate(lists[:, :at].tolist())
    }
    truth = {str(row): dict.fromkeys(map(str, each), 1) for row, each in enumerate(targets)}
    values = np.zeros((len(lists), len(measures)))
    for metric in ir_measures.iter_calc(measures, truth, run):
        values[int(metric.query_id), column[str(metric.measure)]] = metric.value
    return values
