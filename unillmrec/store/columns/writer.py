"""Store the attributes of items by column, in blocks of 4,096 items.

A predicate reads only the columns that it names. One more column holds the leaf of each item.
"""

from __future__ import annotations

import math
import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.items import Item, ItemFields, Value, values_by_name
from unillmrec.store.columns.blocks import BLOCK, Block, Mask, Values
from unillmrec.store.columns.column import (
    KINDS_BY_TYPE,
    LEAF_COLUMN,
    LEAF_KEY,
    LIST_KINDS,
    MAX_COLUMNS,
    MAX_DICTIONARY,
    MAX_TEXT_LENGTH,
    PATH_KEY,
    Column,
    ColumnKey,
    dictionary_codes,
    hash_code,
    kind_of,
)

# How many changes are collected before they are written.
MAX_PENDING = 50_000


class ColumnWriter:
    """Keeps the columns consistent with the items, inside the transaction of its connection.

    Changes are collected until `flush`, or until there are many; then each changed block is
    written once. Flush before the transaction ends, and use a new writer for the next one: a
    writer remembers what it wrote, which may have been rolled back.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        query = "SELECT id, name, kind, texts, hashed FROM attribute"
        self._columns = {(row[1], row[2]): Column(*row) for row in db.execute(query)}
        self._columns[LEAF_KEY] = Column(LEAF_COLUMN, *LEAF_KEY)
        # The dictionaries of columns created here are complete in memory; of all others only
        # the texts that were looked up.
        self._created: set[int] = set()
        self._codes: dict[int, dict[str, int]] = defaultdict(dict)
        self._extended: dict[int, Column] = {}
        self._pending: defaultdict[int, defaultdict[ColumnKey, dict[int, Any]]]
        self._pending = defaultdict(lambda: defaultdict(dict))
        self._changes = 0

    def set_item(self, number: int, item: Item | None, before: Item | None = None) -> None:
        """Record the present values of an item, or `None` if it was removed.

        Of the values it had *before*, missing ones are removed and equal ones are not written.
        """
        block, position = divmod(number, BLOCK)
        columns = self._pending[block]
        removed = dict(values_by_column(before)) if before is not None else {}
        for key, value in values_by_column(item) if item is not None else ():
            if removed and removed.pop(key, None) == value:
                continue
            columns[key][position] = value
        for key in removed:
            columns[key][position] = None
        self._count_change()

    def clear_item(self, number: int) -> None:
        """Record that an item has no values, whatever it had before."""
        block, position = divmod(number, BLOCK)
        for key in self._columns:
            if key != LEAF_KEY:
                self._pending[block][key][position] = None
        self._count_change()

    def add_items(self, first: int, items: ItemFields) -> None:
        """Record the values of new items, numbered from *first* on."""
        start = 0
        while start < len(items.ids):
            block, position = divmod(first + start, BLOCK)
            part = slice(start, start + BLOCK - position)
            columns = self._pending[block]
            attributes = items.attributes[part]
            for name, values in values_by_name(attributes).items():
                _add_values(columns, name, position, values)
            paths = {at: path for at, path in enumerate(items.paths[part], start=position) if path}
            if paths:
                columns[PATH_KEY].update(paths)
            start += len(attributes)
        self._changes += len(items.ids)

    def set_leaf(self, number: int, leaf: int | None) -> None:
        """Record the leaf of an item, or `None` if it was removed."""
        block, position = divmod(number, BLOCK)
        self._pending[block][LEAF_KEY][position] = leaf
        self._count_change()

    def _count_change(self) -> None:
        self._changes += 1
        if self._changes >= MAX_PENDING:
            self.flush()

    def set_all_leaves(self, leaves: NDArray[np.int64]) -> None:
        """Write the leaves of the items 0, 1, 2 … at once."""
        for block in range(math.ceil(len(leaves) / BLOCK)):
            part = leaves[block * BLOCK : (block + 1) * BLOCK]
            present = np.arange(BLOCK) < len(part)
            self._save(self._columns[LEAF_KEY].block_key(block), Block(present, part))

    def flush(self) -> None:
        """Write the collected changes."""
        for block, columns in sorted(self._pending.items()):
            for key, changes in columns.items():
                column = self._column(key, changes)
                if column is not None:
                    self._change(column, block, changes)
        self._pending.clear()
        self._changes = 0
        self._db.executemany(
            "UPDATE attribute SET texts = ?, hashed = ? WHERE id = ?",
            [(column.texts, column.hashed, column.id) for column in self._extended.values()],
        )
        self._extended.clear()

    def _query(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()

    def _column(self, key: ColumnKey, changes: Mapping[int, Any]) -> Column | None:
        """Return the column, created if need be; `None` if the values are not stored."""
        column = self._columns.get(key)
        if column is not None:
            return column
        # A catalog that uses values as attribute names would fill the file with columns.
        if len(self._columns) > MAX_COLUMNS or all(v is None for v in changes.values()):
            return None
        number = len(self._columns)
        column = self._columns[key] = Column(number, *key)
        self._created.add(number)
        self._db.execute("INSERT INTO attribute (id, name, kind) VALUES (?, ?, ?)", (number, *key))
        return column

    def _change(self, column: Column, block: int, changes: Mapping[int, Any]) -> None:
        key = column.block_key(block)
        row = self._db.execute(
            "SELECT packed FROM attribute_block WHERE place = ?", (key,)
        ).fetchone()
        old = column.unpack(row[0]) if row else None
        new = {position: value for position, value in changes.items() if value is not None}
        if column.kind in LIST_KINDS:
            merged = self._merge_lists(column, old, list(changes), new)
        else:
            merged = self._merge_values(column, old, list(changes), new)
        self._save(key, merged)

    def _save(self, key: int, block: Block) -> None:
        if block.present.any():
            self._db.execute(
                "INSERT OR REPLACE INTO attribute_block VALUES (?, ?)", (key, block.pack())
            )
        else:
            self._db.execute("DELETE FROM attribute_block WHERE place = ?", (key,))

    def _merge_values(
        self, column: Column, old: Block | None, changed: list[int], new: Mapping[int, Any]
    ) -> Block:
        """Return a block of single values with the changed positions replaced or removed."""
        values = np.zeros(BLOCK, np.float64 if column.kind == "number" else np.int64)
        present = np.zeros(BLOCK, np.bool_)
        if old is not None:
            values[old.present] = old.values
            present = old.present.copy()
        present[changed] = False
        if new:
            positions = list(new)
            values[positions] = self._as_numbers(column, list(new.values()))
            # NaN is stored as a missing value.
            present[positions] = values[positions] == values[positions]
        return Block(present, values[present])

    def _merge_lists(
        self, column: Column, old: Block | None, changed: list[int], new: Mapping[int, Any]
    ) -> Block:
        """Return a block of lists with the changed positions replaced or removed."""
        owners: Values = np.repeat(list(new), [len(texts) for texts in new.values()])
        codes: Values = np.array(
            self._encode(column, [text for texts in new.values() for text in texts]), np.int64
        )
        if old is not None and old.counts is not None:
            old_owners = np.repeat(np.flatnonzero(old.present), old.counts)
            is_changed = np.zeros(BLOCK, np.bool_)
            is_changed[changed] = True
            unchanged = ~is_changed[old_owners]
            owners = np.concatenate([owners, old_owners[unchanged]])
            codes = np.concatenate([codes, old.values[unchanged]])
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners.astype(np.int64), minlength=BLOCK)
        present: Mask = counts > 0
        return Block(present, codes[order], counts[present])

    def _as_numbers(self, column: Column, values: list[Any]) -> Sequence[float]:
        if column.kind == "text":
            return self._encode(column, values)
        return [as_float(value) for value in values] if column.kind == "number" else values

    def _encode(self, column: Column, texts: Sequence[str]) -> list[int]:
        """Return the codes of texts, adding new ones to the dictionary."""
        known = self._codes[column.id]
        unknown = [text for text in dict.fromkeys(texts) if text not in known]
        hashed = self._add_codes(column, known, unknown) if unknown else {}
        return [known[text] if text in known else hashed[text] for text in texts]

    def _add_codes(
        self, column: Column, known: dict[str, int], unknown: list[str]
    ) -> dict[str, int]:
        """Add texts to *known* codes; return the hash codes of those the dictionary cannot take."""
        if column.id not in self._created:
            known.update(dictionary_codes(self._query, column, unknown))
        self._extended[column.id] = column
        hashed: dict[str, int] = {}
        rows: list[tuple[int, str, int]] = []
        for text in unknown:
            if text in known:
                continue
            if len(text) > MAX_TEXT_LENGTH or column.texts >= MAX_DICTIONARY:
                column.hashed = True
                hashed[text] = hash_code(text)
            else:
                known[text] = column.texts
                rows.append((column.id, text, column.texts))
                column.texts += 1
        self._db.executemany("INSERT INTO attribute_text VALUES (?, ?, ?)", rows)
        return hashed


def as_float(value: float) -> float:
    """Return a number as columns hold it; integers beyond the largest float are infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def values_by_column(item: Item) -> list[tuple[ColumnKey, Any]]:
    """Return the values of an item, each with the key of its column."""
    # This runs for every changed item: no generator, one lookup for the usual types.
    values: list[tuple[ColumnKey, Any]] = [
        ((name, KINDS_BY_TYPE.get(type(value)) or kind_of(value)), value)
        for name, value in item.attributes.items()
        if value is not None
    ]
    if item.path:
        values.append((PATH_KEY, item.path))
    return values


def _add_values(
    columns: defaultdict[ColumnKey, dict[int, Any]],
    name: str,
    first: int,
    values: Mapping[int, Value],
) -> None:
    """Record the values of one attribute; their positions are relative to *first*."""
    by_position = {first + at: value for at, value in values.items() if value is not None}
    kinds = set(map(KINDS_BY_TYPE.get, set(map(type, by_position.values()))))
    kind = kinds.pop() if len(kinds) == 1 else None
    if kind is not None:
        columns[name, kind].update(by_position)
        return
    for position, value in by_position.items():
        columns[name, kind_of(value)][position] = value
