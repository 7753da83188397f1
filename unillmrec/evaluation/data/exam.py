"""What systems under test are given, and what only the scorer has."""

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
    """All items that may be recommended, by place and by id."""

    items: tuple[Item, ...]

    @cached_property
    def places(self) -> Mapping[str, int]:
        """Where each id stands."""
        return {item.id: place for place, item in enumerate(self.items)}

    def __len__(self) -> int:
        return len(self.items)

    @classmethod
    def of_tree(cls, tree: ItemTree) -> ItemIndex:
        """Return the items of a tree, in the order of their numbers."""
        placed = sorted(tree.items_in(leaf_ids(tree)), key=lambda each: each.number)
        return cls(tuple(each.item for each in placed))


@dataclass(frozen=True, slots=True)
class Case:
    """One person as a system sees them: what they liked, oldest first, and nothing else.

    *disliked* is what they met besides, and rated too low: it says nothing of their taste here,
    and is not to be recommended either. *number* tells cases apart and says nothing about who
    it is; what the person met next is neither here nor in anything that can be reached from here.
    """

    number: int
    history: tuple[str, ...]
    disliked: tuple[str, ...] = ()

    @property
    def seen(self) -> tuple[str, ...]:
        """All that the person met before: what no list may hold."""
        return self.history + self.disliked


@dataclass(frozen=True)
class Known:
    """Who met what, as far as a system may learn from it: nothing that is held out.

    *person* numbers people without saying who they are; *item* holds places on the shelf. In
    a split by time all of it is from before the cut.
    """

    person: Integers
    item: Integers
    people: int
    size: int

    @cached_property
    def counts(self) -> Integers:
        """How many people met each item."""
        return np.bincount(self.item, minlength=self.size)

    def matrix(self) -> csr_matrix:
        """Return people as rows and items as columns, with a one where they met."""
        from scipy.sparse import csr_matrix

        ones = np.ones(len(self.item), np.float32)
        return csr_matrix((ones, (self.person, self.item)), (self.people, self.size))

    def without(self, pairs: Iterable[tuple[int, int]]) -> Known:
        """Return the same less some pairs of a person and an item."""
        gone = np.array([person * self.size + item for person, item in pairs], np.int64)
        kept = ~np.isin(self.person * self.size + self.item, gone)
        return Known(self.person[kept], self.item[kept], self.people, self.size)


@dataclass(frozen=True, slots=True)
class Exam:
    """What every system gets: the shelf, what may be learnt from, and the cases."""

    shelf: ItemIndex
    known: Known
    cases: tuple[Case, ...]


class Truth:
    """What the person of each case met next. Systems are never handed one."""

    __slots__ = ("_targets",)

    def __init__(self, targets: Mapping[int, Iterable[str]]) -> None:
        self._targets = {number: frozenset(ids) for number, ids in targets.items()}

    def __iter__(self) -> Iterator[int]:
        return iter(self._targets)

    def __len__(self) -> int:
        return len(self._targets)

    def of(self, number: int) -> frozenset[str]:
        """Return what is to be found for a case."""
        return self._targets[number]


@dataclass(frozen=True, slots=True)
class Split:
    """An exam, its truth, and how the two were parted; *facts* stand in every report.

    *rows* says which person of what may be learnt from each case is: the scorer's, as the truth.
    """

    exam: Exam
    truth: Truth
    facts: dict[str, object] = field(default_factory=dict)
    rows: Mapping[int, int] = field(default_factory=dict)
