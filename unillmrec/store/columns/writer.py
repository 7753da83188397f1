"""The attributes of all items by column, in blocks, so that a predicate reads only what it names.

A column holds what one attribute holds in one kind of values; an attribute that is a number
here and a text there has two. A number is kept as it is, a truth value as 0 or 1. A text is
kept as its number in the column's dictionary; where that is full, or the text is long, as a
hash of 63 bits, below zero, which can be told apart but not ordered. One more column says in
which leaf each item sits.
"""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import StoreError
from unillmrec.filters.predicates import Kind
from unillmrec.items import Item, ItemFields, Value, values_by_name
from unillmrec.store.columns.blocks import BLOCK, Block, Mask, Values

ColumnKind: TypeAlias = Kind | Literal["path", "leaf"]
Key: TypeAlias = tuple[str, ColumnKind]
Query: TypeAlias = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""What returns the rows that a statement with its values asks for."""

MOST_COLUMNS = 4_096
MOST_TEXTS = 65_536
LONGEST_TEXT = 80
# What may wait in memory before it is written.
MOST_WAITING = 50_000

LISTS: Final = frozenset({"tags", "path"})
LEAVES: Final = 0
LEAF: Key = ("", "leaf")
PATH: Key = ("path", "path")

_KINDS: dict[type, ColumnKind] = {
    bool: "truth",
    int: "number",
    float: "number",
    str: "text",
    tuple: "tags",
    list: "tags",
}


@dataclass(slots=True)
class Column:
    """A column of the file: *texts* are in its dictionary; *hashed* says that some are not."""

    id: int
    name: str
    kind: ColumnKind
    texts: int = 0
    hashed: bool = False

    def place(self, block: int) -> int:
        """Return the number under which a block of the column is kept."""
        return (self.id << 32) + block


def unpacked(column: Column, packed: bytes) -> Block:
    """Return a block of a column.

    Raises:
        StoreError: it is damaged.
    """
    try:
        return Block.unpack(packed)
    except (ValueError, IndexError) as error:
        raise StoreError(
            f"the values of the attribute {column.name!r} are damaged: {error}.",
            remedy="build the tree anew, or restore the file from a copy.",
        ) from error


def hash_code(text: str) -> int:
    """Return what stands for a text that is in no dictionary: a number below -1."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # One bit makes it negative, and -1 stays free to mean that there is nothing.
    return min(int.from_bytes(digest, "little") % (1 << 63) - (1 << 63), -2)


class ColumnWriter:
    """Keeps the columns in step with the items, inside the transaction of its connection.

    Changes wait until `flush` or until there are many; of each block and column that they
    touch, one row is written. Flush before the transaction ends, and begin another one with
    another writer: what was rolled back must not be remembered.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        query = "SELECT id, name, kind, texts, hashed FROM attribute"
        self._columns = {(row[1], row[2]): Column(*row) for row in db.execute(query)}
        self._columns[LEAF] = Column(LEAVES, *LEAF)
        # A dictionary that was begun here is known whole; of others, what was looked up.
        self._begun: set[int] = set()
        self._codes: dict[int, dict[str, int]] = defaultdict(dict)
        self._learnt: dict[int, Column] = {}
        self._waiting: defaultdict[int, defaultdict[Key, dict[int, Any]]]
        self._waiting = defaultdict(lambda: defaultdict(dict))
        self._changes = 0

    def put(self, number: int, item: Item | None, before: Item | None = None) -> None:
        """Note what the item *number* has now, or None if it is gone.

        *before* is the item as it was: what it had and has no more is taken out, and what
        did not change is not written.
        """
        block, at = divmod(number, BLOCK)
        columns = self._waiting[block]
        gone = dict(_held(before)) if before is not None else {}
        for key, value in _held(item) if item is not None else ():
            if gone and gone.pop(key, None) == value:
                continue
            columns[key][at] = value
        for key in gone:
            columns[key][at] = None
        self._count()

    def put_all(self, first: int, items: ItemFields) -> None:
        """Note what new items have, numbered from *first* on."""
        start = 0
        while start < len(items.ids):
            block, at = divmod(first + start, BLOCK)
            part = slice(start, start + BLOCK - at)
            columns = self._waiting[block]
            held = items.attributes[part]
            for name, values in values_by_name(held).items():
                _put_values(columns, name, at, values)
            paths = {place: path for place, path in enumerate(items.paths[part], start=at) if path}
            if paths:
                columns[PATH].update(paths)
            start += len(held)
        self._changes += len(items.ids)

    def place(self, number: int, leaf: int | None) -> None:
        """Note in which leaf the item *number* sits, or None if it is gone."""
        block, at = divmod(number, BLOCK)
        self._waiting[block][LEAF][at] = leaf
        self._count()

    def _count(self) -> None:
        self._changes += 1
        if self._changes >= MOST_WAITING:
            self.flush()

    def place_all(self, leaves: NDArray[np.int64]) -> None:
        """Write the leaves of the items 0, 1, 2 … at once."""
        for block in range(math.ceil(len(leaves) / BLOCK)):
            part = leaves[block * BLOCK : (block + 1) * BLOCK]
            present = np.arange(BLOCK) < len(part)
            self._save(self._columns[LEAF].place(block), Block(present, part))

    def flush(self) -> None:
        """Write what waits."""
        for block, columns in sorted(self._waiting.items()):
            for key, changes in columns.items():
                column = self._column(key, changes)
                if column is not None:
                    self._change(column, block, changes)
        self._waiting.clear()
        self._changes = 0
        self._db.executemany(
            "UPDATE attribute SET texts = ?, hashed = ? WHERE id = ?",
            [(column.texts, column.hashed, column.id) for column in self._learnt.values()],
        )
        self._learnt.clear()

    def _query(self, query: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        return self._db.execute(query, values).fetchall()

    def _column(self, key: Key, changes: Mapping[int, Any]) -> Column | None:
        """Return the column, a new one if need be; None where there is nothing to keep."""
        column = self._columns.get(key)
        if column is not None:
            return column
        # A file of ten thousand keys that are really values would outgrow every bound.
        if len(self._columns) > MOST_COLUMNS or all(v is None for v in changes.values()):
            return None
        number = len(self._columns)
        column = self._columns[key] = Column(number, *key)
        self._begun.add(number)
        self._db.execute("INSERT INTO attribute (id, name, kind) VALUES (?, ?, ?)", (number, *key))
        return column

    def _change(self, column: Column, block: int, changes: Mapping[int, Any]) -> None:
        place = column.place(block)
        row = self._db.execute(
            "SELECT packed FROM attribute_block WHERE place = ?", (place,)
        ).fetchone()
        old = unpacked(column, row[0]) if row else None
        new = {at: value for at, value in changes.items() if value is not None}
        if column.kind in LISTS:
            merged = self._merged_lists(column, old, list(changes), new)
        else:
            merged = self._merged(column, old, list(changes), new)
        self._save(place, merged)

    def _save(self, place: int, block: Block) -> None:
        if block.present.any():
            self._db.execute(
                "INSERT OR REPLACE INTO attribute_block VALUES (?, ?)", (place, block.pack())
            )
        else:
            self._db.execute("DELETE FROM attribute_block WHERE place = ?", (place,))

    def _merged(
        self, column: Column, old: Block | None, changed: list[int], new: Mapping[int, Any]
    ) -> Block:
        """Return a block of single values with some of them replaced or taken out."""
        values = np.zeros(BLOCK, np.float64 if column.kind == "number" else np.int64)
        present = np.zeros(BLOCK, np.bool_)
        if old is not None:
            values[old.present] = old.values
            present = old.present.copy()
        present[changed] = False
        if new:
            places = list(new)
            values[places] = self._as_numbers(column, list(new.values()))
            # No number is no value.
            present[places] = values[places] == values[places]
        return Block(present, values[present])

    def _merged_lists(
        self, column: Column, old: Block | None, changed: list[int], new: Mapping[int, Any]
    ) -> Block:
        """Return a block of lists with some of them replaced or taken out."""
        owners: Values = np.repeat(list(new), [len(texts) for texts in new.values()])
        codes: Values = np.array(
            self._coded(column, [text for texts in new.values() for text in texts]), np.int64
        )
        if old is not None and old.counts is not None:
            had = np.repeat(np.flatnonzero(old.present), old.counts)
            gone = np.zeros(BLOCK, np.bool_)
            gone[changed] = True
            kept = ~gone[had]
            owners = np.concatenate([owners, had[kept]])
            codes = np.concatenate([codes, old.values[kept]])
        order = np.argsort(owners, kind="stable")
        counts = np.bincount(owners.astype(np.int64), minlength=BLOCK)
        present: Mask = counts > 0
        return Block(present, codes[order], counts[present])

    def _as_numbers(self, column: Column, values: list[Any]) -> Sequence[float]:
        if column.kind == "text":
            return self._coded(column, values)
        return [_as_float(value) for value in values] if column.kind == "number" else values

    def _coded(self, column: Column, texts: Sequence[str]) -> list[int]:
        """Return the codes of texts; new ones get theirs."""
        known = self._codes[column.id]
        strange = [text for text in dict.fromkeys(texts) if text not in known]
        hashed = self._learn(column, known, strange) if strange else {}
        return [known[text] if text in known else hashed[text] for text in texts]

    def _learn(self, column: Column, known: dict[str, int], strange: list[str]) -> dict[str, int]:
        """Look texts up and take new ones in; return the codes of those that do not fit in."""
        if column.id not in self._begun:
            known.update(dictionary_codes(self._query, column, strange))
        self._learnt[column.id] = column
        hashed: dict[str, int] = {}
        fresh: list[tuple[int, str, int]] = []
        for text in strange:
            if text in known:
                continue
            if len(text) > LONGEST_TEXT or column.texts >= MOST_TEXTS:
                column.hashed = True
                hashed[text] = hash_code(text)
            else:
                known[text] = column.texts
                fresh.append((column.id, text, column.texts))
                column.texts += 1
        self._db.executemany("INSERT INTO attribute_text VALUES (?, ?, ?)", fresh)
        return hashed


def dictionary_codes(query: Query, column: Column, texts: Sequence[str]) -> dict[str, int]:
    """Return the codes of those of *texts* that are in the column's dictionary."""
    rows = query(
        "SELECT text, code FROM attribute_text WHERE attribute = ?"
        " AND text IN (SELECT value FROM json_each(?))",
        (column.id, json.dumps(list(texts))),
    )
    return dict(rows)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _held(item: Item) -> list[tuple[Key, Any]]:
    """Return what an item holds, by column."""
    # This runs for every item of a build: no generator, no call for the usual types.
    held: list[tuple[Key, Any]] = [
        ((name, _KINDS.get(type(value)) or _kind_of(value)), value)
        for name, value in item.attributes.items()
        if value is not None
    ]
    if item.path:
        held.append((PATH, item.path))
    return held


def _put_values(
    columns: defaultdict[Key, dict[int, Any]], name: str, first: int, values: Mapping[int, Value]
) -> None:
    """Note the values of an attribute, their places counted from *first* of a block."""
    given = {first + place: value for place, value in values.items() if value is not None}
    kinds = {type_: _KINDS.get(type_) for type_ in set(map(type, given.values()))}
    if None not in kinds.values() and len(set(kinds.values())) == 1:
        columns[name, next(filter(None, kinds.values()))].update(given)
        return
    for place, value in given.items():
        columns[name, _kind_of(value)][place] = value


def _kind_of(value: object) -> ColumnKind:
    for type_, kind in _KINDS.items():
        if isinstance(value, type_):
            return kind
    raise TypeError(f"an attribute cannot hold {value!r}")
