"""The data that systems under evaluation receive, and the ground truth that they do not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.items import Item
from unillmrec.store.survey import leaf_ids

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from unillmrec.store import ItemTree

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class ItemIndex:
    """All items that may be recommended, by position and by id."""

    items: tuple[Item, ...]

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """The position of each item id."""
        return {item.id: position for position, item in enumerate(self.items)}

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def of_tree(cls, tree: ItemTree) -> ItemIndex:
        """Return the items of a tree in the order of their numbers."""
        placed = sorted(tree.items_in(leaf_ids(tree)), key=lambda each: each.number)
        return cls(tuple(each.item for each in placed))


@dataclass(frozen=True, slots=True)
class EvaluationCase:
    """One person as a system sees them: the history of liked items, oldest first.

    *disliked* are items the person rated too low to count as liked; they are not evidence of
    taste and must not be recommended either. *number* distinguishes cases without identifying
    the person. The held-out items are not reachable from here.
    """

    number: int
    history: tuple[str, ...]
    disliked: tuple[str, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """All items the person has seen, none of which may be recommended."""
        return self.history + self.disliked


@dataclass(frozen=True)
class TrainingInteractions:
    """The interactions that systems may learn from, without anything held out.

    *person* holds anonymous row numbers, *item* positions in the item index; *size* is the
    number of items. In a split by time, all interactions are from before the cutoff.
    """

    person: Integers
    item: Integers
    people: int
    size: int

    @cached_property
    def counts(self) -> Integers:
        """The number of interactions per item."""
        return np.bincount(self.item, minlength=self.size)

    def matrix(self) -> csr_matrix:
        """Return a people-by-items matrix with a one for every interaction."""
        from scipy.sparse import csr_matrix

        ones = np.ones(len(self.item), np.float32)
        return csr_matrix((ones, (self.person, self.item)), (self.people, self.size))

    def without(self, pairs: Iterable[tuple[int, int]]) -> TrainingInteractions:
        """Return a copy without the given pairs of person and item."""
        removed = np.array([person * self.size + item for person, item in pairs], np.int64)
        remaining = ~np.isin(self.person * self.size + self.item, removed)
        return TrainingInteractions(
            self.person[remaining], self.item[remaining], self.people, self.size
        )


@dataclass(frozen=True, slots=True)
class EvaluationData:
    """What every system receives: the items, the training interactions, and the cases."""

    index: ItemIndex
    training: TrainingInteractions
    cases: tuple[EvaluationCase, ...]


class GroundTruth:
    """The held-out items of each case. Systems never receive it."""

    __slots__ = ("_targets",)

    def __init__(self, targets: Mapping[int, Iterable[str]]) -> None:
        self._targets = {number: frozenset(ids) for number, ids in targets.items()}

    def __iter__(self) -> Iterator[int]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def items_of(self, number: int) -> frozenset[str]:
        """Return the held-out items of case *number*."""
        return self._targets[number]


@dataclass(frozen=True, slots=True)
class Split:
    """The data for systems, the ground truth, and *facts* about the split for every report.

    *rows* maps cases to their person in the training interactions. Like the ground truth, it
    is for the scorer only.
    """

    data: EvaluationData
    truth: GroundTruth
    facts: dict[str, object] = field(default_factory=dict)
    rows: Mapping[int, int] = field(default_factory=dict)
