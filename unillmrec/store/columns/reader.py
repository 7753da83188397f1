"""Read columns: what attributes there are, and their values as arrays, a stretch at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unillmrec.filters.conditions import Name
from unillmrec.filters.predicates import Kind, Known
from unillmrec.store.columns.blocks import BLOCK, Block, Mask, Values
from unillmrec.store.columns.writer import (
    LEAF,
    LEAVES,
    LISTS,
    MOST_COLUMNS,
    MOST_TEXTS,
    PATH,
    Column,
    Query,
    unpacked,
)

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

# How many blocks are looked at together: the columns of a quarter of a million items.
STRETCH = 64
NOTHING = -1


class ColumnReader:
    """The columns of a file. Nothing but their names is read before it is asked for."""

    def __init__(self, query: Query) -> None:
        self.query = query
        rows = query("SELECT id, name, kind, texts, hashed FROM attribute", ())
        self._columns = {(row[1], row[2]): Column(*row) for row in rows}

    def of_kinds(self, name: Name, *kinds: Kind) -> list[Column]:
        """Return the columns in which an attribute is kept as one of *kinds*."""
        if name.built_in:
            own = self._columns.get(PATH) if name.text == "path" and "tags" in kinds else None
            return [own] if own else []
        found = (self._columns.get((name.text, kind)) for kind in kinds)
        return [column for column in found if column]

    def known(self) -> dict[str, Known]:
        """Return what the attributes hold, by name."""
        kinds: dict[str, set[Kind]] = {}
        for column in self._columns.values():
            if column.kind != "path" and column.kind != "leaf":
                kinds.setdefault(column.name, set()).add(column.kind)
        return {name: Known(frozenset(held), self._unordered(name)) for name, held in kinds.items()}

    def _unordered(self, name: str) -> str:
        column = self._columns.get((name, "text"))
        if column is None or not column.hashed:
            return ""
        return f"its texts are long, or more than {MOST_TEXTS:,} different ones"

    def hidden(self) -> str:
        """Say why an attribute may be unknown though items have it."""
        if len(self._columns) < MOST_COLUMNS:
            return ""
        return f"No more than {MOST_COLUMNS:,} attributes can be asked about."

    def stretches(self) -> Iterator[Stretch]:
        """Return all items, a stretch at a time."""
        ((last,),) = self.query(
            "SELECT max(place) FROM attribute_block WHERE place < ?", (1 << 32,)
        )
        blocks = 0 if last is None else last + 1
        for first in range(0, blocks, STRETCH):
            yield Stretch(self, first, min(first + STRETCH, blocks))


@dataclass(frozen=True, slots=True)
class Lists:
    """Codes of one list behind another, where each list ends, and the places of the items."""

    owners: Ints
    ends: Ints
    codes: Values

    def with_any(self, wanted: Values) -> Ints:
        """Return the places of the items that have one of the *wanted* codes."""
        found = np.flatnonzero(np.isin(self.codes, wanted))
        return self.owners[np.searchsorted(self.ends, found, side="right")]


class Stretch:
    """The values of items that follow one another, from block *first* to before block *last*."""

    def __init__(self, reader: ColumnReader, first: int, last: int) -> None:
        self._reader = reader
        self._first = first
        self._last = last
        self.start = first * BLOCK
        self.size = (last - first) * BLOCK
        self._numbers: dict[int, Floats] = {}
        self._codes: dict[int, Ints] = {}
        self._lists: dict[int, Lists] = {}

    def leaves(self) -> Ints:
        """Return the leaf of each item, `NOTHING` where there is no item."""
        return self.codes(Column(LEAVES, *LEAF))

    def numbers(self, column: Column) -> Floats:
        """Return the number of each item, NaN where there is none."""
        if column.id not in self._numbers:
            values = np.full(self.size, np.nan)
            for start, block in self._blocks(column):
                values[start : start + BLOCK][block.present] = block.values
            self._numbers[column.id] = values
        return self._numbers[column.id]

    def codes(self, column: Column) -> Ints:
        """Return the code of each item, `NOTHING` where there is none."""
        if column.id not in self._codes:
            values = np.full(self.size, NOTHING)
            for start, block in self._blocks(column):
                values[start : start + BLOCK][block.present] = block.values
            self._codes[column.id] = values
        return self._codes[column.id]

    def lists(self, column: Column) -> Lists:
        """Return the lists of the items that have one."""
        if column.id not in self._lists:
            owners, counts, codes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], []
            for start, block in self._blocks(column):
                places = start + np.flatnonzero(block.present)
                owners.append(places)
                counts.append(np.ones_like(places) if block.counts is None else block.counts)
                codes.append(block.values)
            self._lists[column.id] = Lists(
                np.concatenate(owners),
                np.cumsum(np.concatenate(counts)),
                np.concatenate(codes or [np.zeros(0, np.int64)]),
            )
        return self._lists[column.id]

    def present(self, column: Column) -> Mask:
        """Return which items have a value in a column."""
        if column.kind == "number":
            return ~np.isnan(self.numbers(column))
        there = np.zeros(self.size, np.bool_)
        if column.kind in LISTS:
            there[self.lists(column).owners] = True
        else:
            there |= self.codes(column) != NOTHING
        return there

    def _blocks(self, column: Column) -> Iterator[tuple[int, Block]]:
        """Return the blocks of a column that there are, each with its place in the stretch."""
        query = "SELECT place, packed FROM attribute_block WHERE place >= ? AND place < ?"
        first = column.place(self._first)
        for place, packed in self._reader.query(query, (first, column.place(self._last))):
            yield BLOCK * (place - first), unpacked(column, packed)
