"""Select the items that satisfy a predicate, and count them for every node."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import PredicateError
from unillmrec.filters.conditions import (
    And,
    Clause,
    Condition,
    HasAttribute,
    IsTrue,
    Not,
    OneOf,
    Or,
    OrderComparison,
    clauses,
)
from unillmrec.filters.predicates import ATTRIBUTE_KINDS, Predicate, kinds_of
from unillmrec.store.columns.blocks import Mask
from unillmrec.store.columns.column import (
    LIST_KINDS,
    Column,
    dictionary_codes,
    hash_code,
)
from unillmrec.store.columns.reader import NO_VALUE, ColumnReader, Ints, Segment
from unillmrec.store.decoding import MAX_DEPTH, damaged
from unillmrec.store.nodes import ROOT

if TYPE_CHECKING:
    from unillmrec.store.item_tree import ItemTree

_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """The items that satisfy a predicate, as a *mask* by number, and their *counts* by node.

    It describes the tree at the time it was made, and serves any number of people.
    """

    predicate: Predicate
    mask: Mask
    counts: Ints
    total: int

    @classmethod
    def of(cls, tree: ItemTree, predicate: Predicate | str) -> Selection:
        """Select the items of *tree* that satisfy a predicate.

        Raises:
            PredicateError: it cannot be parsed, or does not fit the attributes of the tree.
        """
        if isinstance(predicate, str):
            predicate = Predicate.parse(predicate)
        with tree.snapshot():
            return cls._of(tree, predicate)

    @classmethod
    def _of(cls, tree: ItemTree, predicate: Predicate) -> Selection:
        reader = ColumnReader(tree.rows)
        try:
            predicate.check(reader.attributes(), omission=reader.omission())
        except PredicateError:
            # The kind of an attribute may be what is damaged.
            reader.check_kinds()
            raise
        evaluation = _Evaluation(reader, predicate)
        parents = _parents(tree)
        counts = np.zeros(len(parents), np.int64)
        masks = [np.zeros(0, np.bool_)]
        for segment in reader.segments(_item_limit(tree)):
            leaves = segment.leaves()
            if len(leaves) and not NO_VALUE <= leaves.min() <= leaves.max() < len(parents):
                raise damaged(tree.path, "the column with the leaves names one that is not there")
            mask = evaluation.holds(predicate.condition, segment) & (leaves != NO_VALUE)
            counts += np.bincount(leaves[mask], minlength=len(parents))
            masks.append(mask)
        mask = np.concatenate(masks)
        totals = _sum_upwards(counts, parents, tree.path)
        total = int(np.count_nonzero(mask))
        if totals[ROOT] != total:
            raise damaged(tree.path, "some leaves do not descend from the root")
        return cls(predicate, mask, totals, total)

    def __contains__(self, number: int) -> bool:
        return number < len(self.mask) and bool(self.mask[number])

    def count(self, node_id: int) -> int:
        """Return how many of the items are below a node."""
        return int(self.counts[node_id]) if node_id < len(self.counts) else 0


def _parents(tree: ItemTree) -> Ints:
    """Return the parent of each node by its id; 0 where there is none."""
    rows = tree.rows("SELECT id, coalesce(parent, 0) AS place FROM node")
    pairs = np.array(rows, np.int64).reshape(-1, 2)
    if not len(pairs) or pairs.min() < 0 or pairs.max() >= tree.fact_now("next_node"):
        raise damaged(tree.path, "there is no root, or a node has an impossible id")
    parents = np.zeros(int(pairs.max()) + 1, np.int64)
    parents[pairs[:, 0]] = pairs[:, 1]
    return parents


def _item_limit(tree: ItemTree) -> int:
    ((highest,),) = tree.rows("SELECT max(number) FROM item")
    return 0 if highest is None else highest + 1


def _sum_upwards(counts: Ints, parents: Ints, path: Path) -> Ints:
    """Add the counts of the leaves to those of all their ancestors."""
    totals = counts.copy()
    nodes = np.flatnonzero(counts)
    amounts = counts[nodes]
    for _ in range(MAX_DEPTH):
        nodes = parents[nodes]
        amounts, nodes = amounts[nodes > 0], nodes[nodes > 0]
        if not len(nodes):
            return totals
        np.add.at(totals, nodes, amounts)
    raise damaged(path, "a node is its own ancestor")


class _Evaluation:
    """A predicate whose values were looked up, ready to be evaluated on segments."""

    def __init__(self, reader: ColumnReader, predicate: Predicate) -> None:
        self._reader = reader
        self._wanted: dict[tuple[Clause, int], NDArray[Any]] = {}
        self._numbers: dict[Clause, Ints] = {}
        for clause in clauses(predicate.condition):
            if isinstance(clause, OneOf):
                self._look_up(clause)
            elif isinstance(clause, OrderComparison) and isinstance(clause.constant.value, str):
                for column in reader.columns_of(clause.name, "text"):
                    self._wanted[clause, column.id] = self._codes_in_order(clause, column)

    def _look_up(self, clause: OneOf) -> None:
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

    def _compared_columns(self, clause: OneOf) -> list[Column]:
        """Return the columns that hold values of the kinds that the clause names."""
        kinds = {kind for each in clause.constants for kind in kinds_of(each)}
        return self._reader.columns_of(clause.name, *sorted(kinds))

    def _codes_in_order(self, clause: OrderComparison, column: Column) -> Ints:
        """Return the codes of the texts that come before, or after, the constant."""
        query = f"SELECT code FROM attribute_text WHERE attribute = ? AND text {clause.operator} ?"
        rows = self._reader.query(query, (column.id, clause.constant.value))
        return np.array(rows, np.int64).ravel()

    def holds(self, condition: Condition, segment: Segment) -> Mask:
        """Return for which items of a segment a condition holds."""
        if isinstance(condition, Not):
            return ~self.holds(condition.part, segment)
        if isinstance(condition, And | Or):
            join = operator.and_ if isinstance(condition, And) else operator.or_
            return reduce(join, (self.holds(part, segment) for part in condition.parts))
        if isinstance(condition, OneOf):
            return self._one_of(condition, segment)
        if isinstance(condition, OrderComparison):
            return self._compare(condition, segment)
        if isinstance(condition, IsTrue):
            columns = self._reader.columns_of(condition.name, "truth")
            return _any((segment.codes(column) == 1 for column in columns), segment)
        return self._has(condition, segment)

    def _one_of(self, clause: OneOf, segment: Segment) -> Mask:
        if clause in self._numbers:
            matches = np.zeros(segment.size, np.bool_)
            positions = self._numbers[clause] - segment.start
            matches[positions[(positions >= 0) & (positions < segment.size)]] = True
            return ~matches if clause.negated else matches
        columns = self._compared_columns(clause)
        matches = _any((self._matches(clause, column, segment) for column in columns), segment)
        if not clause.negated:
            return matches
        return _any((segment.present(column) for column in columns), segment) & ~matches

    def _matches(self, clause: OneOf, column: Column, segment: Segment) -> Mask:
        """Return which items have one of the clause's values in a column."""
        wanted = self._wanted[clause, column.id]
        if column.kind == "number":
            return np.isin(segment.numbers(column), wanted)
        if column.kind in LIST_KINDS:
            matches = np.zeros(segment.size, np.bool_)
            matches[segment.lists(column).with_any(wanted)] = True
            return matches
        return np.isin(segment.codes(column), wanted)

    def _compare(self, clause: OrderComparison, segment: Segment) -> Mask:
        value = clause.constant.value
        if isinstance(value, str):
            columns = self._reader.columns_of(clause.name, "text")
            wanted = self._wanted
            masks = (np.isin(segment.codes(c), wanted[clause, c.id]) for c in columns)
        else:
            columns = self._reader.columns_of(clause.name, "number")
            masks = (_OPERATORS[clause.operator](segment.numbers(c), value) for c in columns)
        return _any(masks, segment)

    def _has(self, clause: HasAttribute, segment: Segment) -> Mask:
        if clause.name.built_in and clause.name.text == "id":
            return np.ones(segment.size, np.bool_)
        columns = self._reader.columns_of(clause.name, *ATTRIBUTE_KINDS)
        return _any((segment.present(column) for column in columns), segment)


def _any(masks: Iterable[Mask], segment: Segment) -> Mask:
    return reduce(operator.or_, masks, np.zeros(segment.size, np.bool_))
