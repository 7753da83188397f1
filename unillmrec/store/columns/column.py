"""Columns: the values of one attribute, and how they are encoded as numbers.

A column holds the values of one kind. An attribute that is a number in some items and a text in
others has two columns. Numbers are stored as they are, truth values as 0 or 1, and texts as their
code in the column's dictionary. Where the dictionary is full, or the text is long, the code is a
negative 63-bit hash, which can be compared but not ordered.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from unillmrec.errors import StoreError
from unillmrec.filters.predicates import AttributeKind
from unillmrec.store.columns.blocks import Block
from unillmrec.store.decoding import RESTORE

ColumnKind: TypeAlias = AttributeKind | Literal["path", "leaf"]
ColumnKey: TypeAlias = tuple[str, ColumnKind]
Query: TypeAlias = Callable[[str, Sequence[object]], list[tuple[Any, ...]]]
"""Runs a statement with its values, and returns the rows."""

MAX_COLUMNS = 4_096
MAX_DICTIONARY = 65_536
MAX_TEXT_LENGTH = 80

LIST_KINDS: Final = frozenset({"tags", "path"})
# The column with the leaf of each item.
LEAF_COLUMN: Final = 0
LEAF_KEY: ColumnKey = ("", "leaf")
PATH_KEY: ColumnKey = ("path", "path")

KINDS_BY_TYPE: Final[dict[type, ColumnKind]] = {
    bool: "truth",
    int: "number",
    float: "number",
    str: "text",
    tuple: "tags",
    list: "tags",
}


@dataclass(slots=True)
class Column:
    """A column; *texts* is the size of its dictionary, *hashed* whether some are not in it."""

    id: int
    name: str
    kind: ColumnKind
    texts: int = 0
    hashed: bool = False

    def block_key(self, block: int) -> int:
        """Return the key of a block of the column in the file."""
        return (self.id << 32) + block

    def unpack(self, packed: bytes) -> Block:
        """Unpack a block of the column.

        Raises:
            StoreError: it is damaged.
        """
        try:
            block = Block.unpack(packed)
            if (block.counts is None) == (self.kind in LIST_KINDS):
                raise ValueError("there is not one value for each item")
            if self.kind != "number" and block.values.dtype.kind == "f":
                raise ValueError("a code is a fraction")
            return block
        except (ValueError, IndexError, OverflowError) as error:
            raise damaged_column(self.name, str(error)) from error


def damaged_column(name: str, problem: str) -> StoreError:
    """Return the error for a damaged column of the attribute *name*, or of the leaves."""
    which = f"the attribute {name!r}" if name else "the items' leaves"
    return StoreError(f"the column of {which} is damaged: {problem}.", remedy=RESTORE)


def kind_of(value: object) -> ColumnKind:
    """Return the kind of column for a value, also of a subclass of the usual types.

    Raises:
        TypeError: no attribute may hold it.
    """
    for type_, kind in KINDS_BY_TYPE.items():
        if isinstance(value, type_):
            return kind
    raise TypeError(f"an attribute cannot hold {value!r}")


def hash_code(text: str) -> int:
    """Return the code of a text that is in no dictionary: a number below -1."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # One bit makes it negative; -1 means that there is no value.
    return min(int.from_bytes(digest, "little") % (1 << 63) - (1 << 63), -2)


def dictionary_codes(query: Query, column: Column, texts: Sequence[str]) -> dict[str, int]:
    """Return the codes of those *texts* that are in the column's dictionary."""
    rows = query(
        "SELECT text, code FROM attribute_text WHERE attribute = ?"
        " AND text IN (SELECT value FROM json_each(?))",
        (column.id, json.dumps(list(texts))),
    )
    return dict(rows)
