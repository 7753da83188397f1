"""Which items a predicate lets through: read from the columns, counted for every node."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import StoreError
from unillmrec.filters import conditions
from unillmrec.filters.conditions import All, Among, Clause, Condition, Flag, Has, Not, Ordered
from unillmrec.filters.predicates import KINDS, Predicate, kinds_of
from unillmrec.store.columns.blocks import Mask
from unillmrec.store.columns.reader import NOTHING, ColumnReader, Ints, Stretch
from unillmrec.store.columns.writer import LISTS, Column, Query, dictionary_codes, hash_code

# No tree is this deep; a file in which a node hangs below itself would be climbed for ever.
DEEPEST = 1_000

_ORDERS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Readable(Protocol):
    """What a selection needs of a tree."""

    def rows(self, query: str, values: Sequence[object] = (), /) -> list[tuple[Any, ...]]:
        """Return the rows of a query."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Return a context in which all rows are of one state."""


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The items that a predicate lets through, by number, and how many of them each node has.

    It holds for the tree as it was when it was made, and serves any number of people.
    """

    predicate: Predicate
    mask: Mask
    counts: Ints
    total: int

    @classmethod
    def of(cls, tree: Readable, predicate: Predicate | str) -> Selection:
        """Find the items of *tree* for which a predicate holds.

        Raises:
            PredicateError: it cannot be read, or does not fit the attributes of the tree.
        """
        if isinstance(predicate, str):
            predicate = Predicate.parse(predicate)
        with tree.snapshot():
            return cls._of(tree, predicate)

    @classmethod
    def _of(cls, tree: Readable, predicate: Predicate) -> Selection:
        reader = ColumnReader(tree.rows)
        predicate.check(reader.known(), hidden=reader.hidden())
        evaluation = _Evaluation(reader, predicate)
        above = _parents(tree.rows)
        counts = np.zeros(len(above), np.int64)
        masks = [np.zeros(0, np.bool_)]
        for stretch in reader.stretches():
            leaves = stretch.leaves()
            mask = evaluation.holds(predicate.condition, stretch) & (leaves != NOTHING)
            counts += np.bincount(leaves[mask], minlength=len(above))
            masks.append(mask)
        mask = np.concatenate(masks)
        return cls(predicate, mask, _summed_up(counts, above), int(np.count_nonzero(mask)))

    def __contains__(self, number: int) -> bool:
        return number < len(self.mask) and bool(self.mask[number])

    def count(self, node_id: int) -> int:
        """Return how many of the items sit below a node."""
        return int(self.counts[node_id]) if node_id < len(self.counts) else 0


def _parents(query: Query) -> Ints:
    """Return the parent of each node by its id; 0 where there is none."""
    pairs = np.array(query("SELECT id, coalesce(parent, 0) FROM node", ()), np.int64)
    above = np.zeros(int(pairs[:, 0].max()) + 1, np.int64)
    above[pairs[:, 0]] = pairs[:, 1]
    return above


def _summed_up(counts: Ints, above: Ints) -> Ints:
    """Add the counts of the leaves to those of everything above them."""
    totals = counts.copy()
    at = np.flatnonzero(counts)
    amounts = counts[at]
    for _ in range(DEEPEST):
        at = above[at]
        amounts, at = amounts[at > 0], at[at > 0]
        if not len(at):
            return totals
        np.add.at(totals, at, amounts)
    raise StoreError(
        "a node of the tree hangs below itself; the file is damaged.",
        remedy="build the tree anew, or restore the file from a copy.",
    )


class _Evaluation:
    """A predicate with its values looked up, ready to be held against stretches of items."""

    def __init__(self, reader: ColumnReader, predicate: Predicate) -> None:
        self._reader = reader
        self._wanted: dict[tuple[Clause, int], NDArray[Any]] = {}
        self._numbers: dict[Clause, Ints] = {}
        for clause in conditions.clauses(predicate.condition):
            if isinstance(clause, Among):
                self._look_up(clause)
            elif isinstance(clause, Ordered) and isinstance(clause.constant.value, str):
                for column in reader.of_kinds(clause.name, "text"):
                    self._wanted[clause, column.id] = self._in_order(clause, column)

    def _look_up(self, clause: Among) -> None:
        values = [each.value for each in clause.constants]
        texts = [value for value in values if isinstance(value, str)]
        if clause.name.built_in and clause.name.text == "id":
            query = "SELECT number FROM item WHERE id IN (SELECT value FROM json_each(?))"
            rows = self._reader.query(query, (json.dumps(texts),))
            self._numbers[clause] = np.array(rows, np.int64).ravel()
        for column in self._compared_columns(clause):
            if column.kind == "number":
                wanted = np.array([value for value in values if isinstance(value, float)])
            elif column.kind == "truth":
                wanted = np.array([value for value in values if isinstance(value, bool)], np.int64)
            else:
                known = dictionary_codes(self._reader.query, column, texts)
                codes = [known[text] if text in known else hash_code(text) for text in texts]
                wanted = np.array(codes, np.int64)
            self._wanted[clause, column.id] = wanted

    def _compared_columns(self, clause: Among) -> list[Column]:
        """Return the columns that hold values of the kinds the clause names."""
        kinds = {kind for each in clause.constants for kind in kinds_of(each)}
        return self._reader.of_kinds(clause.name, *sorted(kinds))

    def _in_order(self, clause: Ordered, column: Column) -> Ints:
        query = f"SELECT code FROM attribute_text WHERE attribute = ? AND text {clause.order} ?"
        rows = self._reader.query(query, (column.id, clause.constant.value))
        return np.array(rows, np.int64).ravel()

    def holds(self, condition: Condition, stretch: Stretch) -> Mask:
        """Return for which items of a stretch a condition holds."""
        if isinstance(condition, Not):
            return ~self.holds(condition.part, stretch)
        if isinstance(condition, All | conditions.Any):
            join = operator.and_ if isinstance(condition, All) else operator.or_
            return reduce(join, (self.holds(part, stretch) for part in condition.parts))
        if isinstance(condition, Among):
            return self._among(condition, stretch)
        if isinstance(condition, Ordered):
            return self._ordered(condition, stretch)
        if isinstance(condition, Flag):
            columns = self._reader.of_kinds(condition.name, "truth")
            return _any((stretch.codes(column) == 1 for column in columns), stretch)
        return self._has(condition, stretch)

    def _among(self, clause: Among, stretch: Stretch) -> Mask:
        if clause in self._numbers:
            hit = np.zeros(stretch.size, np.bool_)
            places = self._numbers[clause] - stretch.start
            hit[places[(places >= 0) & (places < stretch.size)]] = True
            return ~hit if clause.negated else hit
        columns = self._compared_columns(clause)
        hit = _any((self._met(clause, column, stretch) for column in columns), stretch)
        if not clause.negated:
            return hit
        return _any((stretch.present(column) for column in columns), stretch) & ~hit

    def _met(self, clause: Among, column: Column, stretch: Stretch) -> Mask:
        """Return which items have one of the clause's values in a column."""
        wanted = self._wanted[clause, column.id]
        if column.kind == "number":
            return np.isin(stretch.numbers(column), wanted)
        if column.kind in LISTS:
            hit = np.zeros(stretch.size, np.bool_)
            hit[stretch.lists(column).with_any(wanted)] = True
            return hit
        return np.isin(stretch.codes(column), wanted)

    def _ordered(self, clause: Ordered, stretch: Stretch) -> Mask:
        value = clause.constant.value
        if isinstance(value, str):
            columns = self._reader.of_kinds(clause.name, "text")
            wanted = self._wanted
            found = (np.isin(stretch.codes(c), wanted[clause, c.id]) for c in columns)
        else:
            columns = self._reader.of_kinds(clause.name, "number")
            found = (_ORDERS[clause.order](stretch.numbers(c), value) for c in columns)
        return _any(found, stretch)

    def _has(self, clause: Has, stretch: Stretch) -> Mask:
        if clause.name.built_in and clause.name.text == "id":
            return np.ones(stretch.size, np.bool_)
        columns = self._reader.of_kinds(clause.name, *KINDS)
        return _any((stretch.present(column) for column in columns), stretch)


def _any(masks: Iterable[Mask], stretch: Stretch) -> Mask:
    return reduce(operator.or_, masks, np.zeros(stretch.size, np.bool_))
