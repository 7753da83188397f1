"""Decode the rows of a tree file, and report damage as a `StoreError` instead of a traceback."""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from unillmrec.errors import StoreError
from unillmrec.items import Item, stored_hash
from unillmrec.store.nodes import ROOT, Node, PlacedItem
from unillmrec.tree.descriptions import Description

# No tree is this deep; in a damaged file a node may be its own ancestor.
MAX_DEPTH = 1_000
RESTORE = "rebuild the tree, or restore the file from a copy."

DECODE_ERRORS = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError),
    *(RecursionError, TypeError, ValueError, sqlite3.DatabaseError),
)
"""What reading a damaged value may raise, here or later. No error of ours is one of them."""

_PASSING = ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_NOMEM", "SQLITE_INTERRUPT", "SQLITE_PROTOCOL")
_UNREACHABLE = ("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_FULL", "SQLITE_READONLY")

_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_ERROR")

_INT, _TEXT, _BYTES = frozenset({int}), frozenset({str}), frozenset({bytes})
# SQLite stores any value in any column; these are the types that this package writes.
_TYPES_BY_COLUMN: Mapping[str, frozenset[type]] = {
    **dict.fromkeys(("number", "leaf", "place", "depth", "size", "moved", "stale"), _INT),
    **dict.fromkeys(("item", "node", "used_by", "attribute", "code", "texts", "hashed"), _INT),
    **dict.fromkeys(("title", "text", "path", "attributes", "description", "spans"), _TEXT),
    **dict.fromkeys(("item_id", "term", "name", "kind", "value"), _TEXT),
    **dict.fromkeys(("packed", "hash"), _BYTES),
    "parent": frozenset({int, type(None)}),
    "prior": frozenset({float, int}),
}
_ANY: frozenset[type] = frozenset()


def damaged(path: Path, problem: str, remedy: str = RESTORE) -> StoreError:
    """Return the error for a damaged tree file; *problem* says what is wrong with it."""
    return StoreError(f"{path} is damaged: {problem}.", remedy=remedy)


def read_error(path: Path, error: sqlite3.DatabaseError | UnicodeDecodeError) -> StoreError:
    """Return the error for a query that failed: the file is damaged, locked, or out of reach."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(_PASSING):
        return StoreError(f"{path} cannot be read: {error}.", remedy="the same command again.")
    if name.startswith(_UNREACHABLE):
        remedy = "check the disk, and the permissions of the file and of its folder."
        return StoreError(f"{path} cannot be read: {error}.", remedy=remedy)
    # What cannot be decoded is not printed either.
    return damaged(path, str(error).split(" with text ")[0].rstrip("."))


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether SQLite reports that the file itself is damaged, and not the access to it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return name.startswith(_DAMAGED)


def check_types(path: Path, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> None:
    """Check the types of all values of *rows*.

    Raises:
        StoreError: a value has another type than its column holds.
    """
    for name, types, values in zip(columns, _types(columns), zip(*rows, strict=True), strict=True):
        if types and not types.issuperset(map(type, values)):
            raise damaged(path, f"the column {name!r} holds a value of the wrong type")


@lru_cache(1_000)
def _types(columns: tuple[str, ...]) -> tuple[frozenset[type], ...]:
    return tuple(_TYPES_BY_COLUMN.get(name, _ANY) for name in columns)


# Facts about the tree

_FACT_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("items", "next_item", "next_node", "next_term"), (int,)),
    **dict.fromkeys(("generation", "seed"), (int,)),
    **dict.fromkeys(("popularity", "embedded_by", "described_by"), (str, type(None))),
    **{"space": (str,), "tree": (str,), "pieces": (bool,), "bounds": (dict,)},
    **{"popularity_top": (int, float), "asked_columns": (dict, type(None))},
}
_COUNTS = ("items", "next_item", "next_node", "next_term")
_BOUNDS = ("fan_out", "most_children", "root_children", "leaf_target", "leaf_capacity")
_LARGEST_COUNT = 1 << 40


class Facts(dict[str, Any]):
    """The facts about a tree by name; one that is missing means that the file is damaged."""

    def __init__(self, path: Path, rows: Iterable[tuple[str, str]]) -> None:
        self._path = path
        try:
            super().__init__((name, json.loads(value)) for name, value in rows)
        except (ValueError, RecursionError) as error:
            raise damaged(path, f"a fact about the tree is not JSON ({error})") from error
        for name, value in self.items():
            if not _is_plausible(name, value):
                raise damaged(path, f"the fact {name!r} about the tree is impossible")

    def __missing__(self, name: str) -> Any:
        raise damaged(self._path, f"the fact {name!r} about the tree is missing")

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


def _is_plausible(name: str, value: object) -> bool:
    types = _FACT_TYPES.get(name)
    if types is None:
        return True
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        return False
    if name == "bounds":
        return isinstance(value, dict) and all(_is_bound(value.get(each)) for each in _BOUNDS)
    if isinstance(value, int | float) and not math.isfinite(value):
        return False
    if name == "space":
        return value in ("terms", "given")
    return name not in _COUNTS or 0 <= int(str(value)) < _LARGEST_COUNT


def _is_bound(value: object) -> bool:
    return type(value) is int and 0 < value < _LARGEST_COUNT


# Nodes

SELECT_NODES = "SELECT id, parent, depth, size, leaf, description, prior, moved, stale FROM node"


def nodes_of(path: Path, rows: Iterable[tuple[Any, ...]]) -> list[Node]:
    """Return the nodes of rows of `SELECT_NODES`.

    Raises:
        StoreError: one of them is damaged.
    """
    return [_node(path, row) for row in rows]


def _node(path: Path, row: tuple[Any, ...]) -> Node:
    node_id, parent, depth, size, leaf, description, prior, moved, stale = row
    try:
        unpacked = Description.from_json(description)
    except DECODE_ERRORS as error:
        raise damaged(path, f"the description of node {node_id} cannot be read") from error
    if size < 0 or leaf not in (0, 1) or not 0 <= depth < MAX_DEPTH or not math.isfinite(prior):
        raise damaged(path, f"node {node_id} has an impossible size, depth or popularity")
    if (parent is None) != (node_id == ROOT) or parent == node_id:
        raise damaged(path, f"node {node_id} has the parent {parent}")
    return Node(node_id, parent, depth, size, bool(leaf), unpacked, prior, moved, stale)


# Items

SELECT_ITEMS = (
    "SELECT number, id AS item_id, title, text, path, attributes, hash, leaf, prior FROM item"
)

LEAF_FIELD = 7


def items_of(path: Path, rows: Iterable[tuple[Any, ...]]) -> list[PlacedItem]:
    """Return the items of rows of `SELECT_ITEMS`.

    Raises:
        StoreError: one of them does not match its content hash.
    """
    rows = list(rows)
    try:
        return list(map(_placed_item, rows))
    except DECODE_ERRORS as error:
        problem = f"{_first_damaged(rows)} does not match its content hash"
        remedy = f"`unillmrec sync {path} CATALOG`, which writes it again."
        raise damaged(path, problem, remedy) from error


# Many people are shown the same items, and equal rows give equal values.
@lru_cache(4_096)
def _placed_item(row: tuple[Any, ...]) -> PlacedItem:
    number, item_id, title, text, path, attributes, content_hash, _, prior = row
    values = json.loads(attributes)
    if stored_hash(item_id, title, text, path, attributes, values) != content_hash:
        raise ValueError(item_id)
    if number < 0 or not math.isfinite(prior):
        raise ValueError(number)
    return _item(row, values, json.loads(path))


def _item(row: tuple[Any, ...], values: Mapping[str, Any], path: Sequence[str]) -> PlacedItem:
    attributes = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return PlacedItem(row[0], Item(row[1], row[2], row[3], tuple(path), attributes), row[7], row[8])


def _first_damaged(rows: Iterable[tuple[Any, ...]]) -> str:
    return next((f"item {row[0]}" for row in rows if not is_intact(row)), "an item")


def is_intact(row: tuple[Any, ...]) -> bool:
    """Return whether a row of `SELECT_ITEMS` can be decoded and matches its content hash."""
    try:
        _placed_item.__wrapped__(row)
    except DECODE_ERRORS:
        return False
    return True


def stored_hashes(path: Path, rows: Sequence[tuple[Any, ...]]) -> list[bytes]:
    """Return the content hash of each row of `SELECT_ITEMS`; nothing where it is damaged.

    Raises:
        StoreError: the id of an item is not a text.
    """
    hashes = []
    for row in rows:
        _, item_id, title, text, attribute_path, attributes, content_hash, *_ = row
        if not isinstance(item_id, str):
            raise damaged(path, f"the id of item {row[0]} is not a text")
        try:
            # Attributes in alphabetical order are stored as they were hashed.
            is_sound = content_hash == stored_hash(
                item_id, title, text, attribute_path, attributes, {}
            )
        except DECODE_ERRORS:
            is_sound = False
        hashes.append(content_hash if is_sound or is_intact(row) else b"")
    return hashes


def salvaged_item(row: tuple[Any, ...]) -> PlacedItem:
    """Return what can still be read of a damaged row of `SELECT_ITEMS`, without its attributes.

    It stands for the old state of an item that is about to be replaced.
    """
    number, item_id, title, text, _, _, _, leaf, prior = row
    title, text = (each if isinstance(each, str) else "" for each in (title, text))
    is_number = isinstance(prior, float) and math.isfinite(prior)
    return PlacedItem(number, Item(item_id, title, text), leaf, prior if is_number else 0.0)
