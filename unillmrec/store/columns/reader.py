"""Read columns: which attributes there are, and their values as arrays, a segment at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unillmrec.filters.conditions import AttributeName
from unillmrec.filters.predicates import AttributeInfo, AttributeKind
from unillmrec.store.columns.blocks import BLOCK, Block, Mask, Values
from unillmrec.store.columns.column import (
    LEAF_COLUMN,
    LEAF_KEY,
    LIST_KINDS,
    MAX_COLUMNS,
    MAX_DICTIONARY,
    PATH_KEY,
    Column,
    Query,
    damaged_column,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# How many blocks are read together: a quarter of a million items.
SEGMENT_BLOCKS = 64
NO_VALUE = -1


class ColumnReader:
    """The columns of a file. Opening it reads their names only."""

    def __init__(self, query: Query) -> None:
        self.query = query
        rows = query("SELECT id, name, kind, texts, hashed FROM attribute", ())
        self._columns = {(row[1], row[2]): Column(*row) for row in rows}

    @property
    def columns(self) -> list[Column]:
        """All columns of attributes, and that of the paths; not that of the leaves."""
        return list(self._columns.values())

    def columns_of(self, name: AttributeName, *kinds: AttributeKind) -> list[Column]:
        """Return the columns that hold an attribute's values of these kinds."""
        if name.built_in:
            path = self._columns.get(PATH_KEY) if name.text == "path" and "tags" in kinds else None
            return [path] if path else []
        columns = (self._columns.get((name.text, kind)) for kind in kinds)
        return [column for column in columns if column]

    def attributes(self) -> dict[str, AttributeInfo]:
        """Return what is known about each attribute, by name."""
        kinds: dict[str, set[AttributeKind]] = {}
        for column in self._columns.values():
            if column.kind != "path" and column.kind != "leaf":
                kinds.setdefault(column.name, set()).add(column.kind)
        return {
            name: AttributeInfo(frozenset(each), self._unordered(name))
            for name, each in kinds.items()
        }

    def check_kinds(self) -> None:
        """Unpack a block of every column.

        Raises:
            StoreError: it does not hold values of the column's kind.
        """
        query = "SELECT packed FROM attribute_block WHERE place >= ? AND place < ? LIMIT 1"
        for column in self.columns:
            span = (column.block_key(0), column.block_key(1 << 32))
            for (packed,) in self.query(query, span):
                column.unpack(packed)

    def _unordered(self, name: str) -> str:
        column = self._columns.get((name, "text"))
        if column is None or not column.hashed:
            return ""
        return f"its texts are long, or more than {MAX_DICTIONARY:,} different ones"

    def omission(self) -> str:
        """Explain why an attribute may be missing although items have it."""
        if len(self._columns) < MAX_COLUMNS:
            return ""
        return f"Filters know the first {MAX_COLUMNS:,} attributes only."

    def segments(self, items: int | None = None) -> Iterator[Segment]:
        """Yield all items, a segment at a time; *items* is one more than the highest number.

        Raises:
            StoreError: values are stored for items beyond *items*.
        """
        ((last,),) = self.query(
            "SELECT max(place) FROM attribute_block WHERE place < ?", (1 << 32,)
        )
        blocks = 0 if last is None else last + 1
        if items is not None and blocks > -(-items // BLOCK):
            raise damaged_column("", "there are values of items that do not exist")
        for first in range(0, blocks, SEGMENT_BLOCKS):
            yield Segment(self, first, min(first + SEGMENT_BLOCKS, blocks))


@dataclass(frozen=True, slots=True)
class ListValues:
    """The codes of all lists, concatenated; where each list ends; and the item it belongs to."""

    owners: Ints
    ends: Ints
    codes: Values

    def with_any(self, wanted: Values) -> Ints:
        """Return the positions of the items that have one of the *wanted* codes."""
        matches = np.flatnonzero(np.isin(self.codes, wanted))
        return self.owners[np.searchsorted(self.ends, matches, side="right")]


class Segment:
    """The values of consecutive items, from block *first* up to but not including *last*."""

    def __init__(self, reader: ColumnReader, first: int, last: int) -> None:
        self._reader = reader
        self._first = first
        self._last = last
        self.start = first * BLOCK
        self.size = (last - first) * BLOCK
        self._numbers: dict[int, Floats] = {}
        self._codes: dict[int, Ints] = {}
        self._lists: dict[int, ListValues] = {}

    def leaves(self) -> Ints:
        """Return the leaf of each item, `NO_VALUE` where there is no item."""
        return self.codes(Column(LEAF_COLUMN, *LEAF_KEY))

    def numbers(self, column: Column) -> Floats:
        """Return the number of each item, NaN where there is none."""
        if column.id not in self._numbers:
            values = np.full(self.size, np.nan)
            for start, block in self._blocks(column):
                values[start : start + BLOCK][block.present] = block.values
            self._numbers[column.id] = values
        return self._numbers[column.id]

    def codes(self, column: Column) -> Ints:
        """Return the code of each item, `NO_VALUE` where there is none."""
        if column.id not in self._codes:
            values = np.full(self.size, NO_VALUE)
            for start, block in self._blocks(column):
                values[start : start + BLOCK][block.present] = block.values
            self._codes[column.id] = values
        return self._codes[column.id]

    def lists(self, column: Column) -> ListValues:
        """Return the lists of the items that have one."""
        if column.id not in self._lists:
            owners, counts, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
            for start, block in self._blocks(column):
                positions = start + np.flatnonzero(block.present)
                owners.append(positions)
                counts.append(np.ones_like(positions) if block.counts is None else block.counts)
                codes.append(block.values)
            self._lists[column.id] = ListValues(
                np.concatenate(owners),
                np.cumsum(np.concatenate(counts)),
                np.concatenate(codes or [np.zeros(0, np.int64)]),
            )
        return self._lists[column.id]

    def present(self, column: Column) -> Mask:
        """Return which items have a value in a column."""
        if column.kind == "number":
            return ~np.isnan(self.numbers(column))
        present = np.zeros(self.size, np.bool_)
        if column.kind in LIST_KINDS:
            present[self.lists(column).owners] = True
        else:
            present |= self.codes(column) != NO_VALUE
        return present

    def _blocks(self, column: Column) -> Iterator[tuple[int, Block]]:
        """Yield the stored blocks of a column, each with its first position in the segment."""
        query = "SELECT place, packed FROM attribute_block WHERE place >= ? AND place < ?"
        first = column.block_key(self._first)
        for key, packed in self._reader.query(query, (first, column.block_key(self._last))):
            yield BLOCK * (key - first), column.unpack(packed)
