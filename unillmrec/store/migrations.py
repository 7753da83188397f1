"""The layouts of tree files, each as a migration from the one before.

A migration is never edited after a release.
"""

from __future__ import annotations

import sqlite3

from unillmrec.system.sqlite import FileKind


def m001_first_layout(db: sqlite3.Connection) -> None:
    """Items, nodes, vectors, terms and facts about the tree. For 0.1."""
    for statement in (
        "CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
        """CREATE TABLE item (
            number INTEGER PRIMARY KEY, id TEXT NOT NULL, title TEXT NOT NULL, text TEXT NOT NULL,
            path TEXT NOT NULL, attributes TEXT NOT NULL, hash BLOB NOT NULL,
            leaf INTEGER, prior REAL NOT NULL DEFAULT 0)""",
        "CREATE TABLE item_vector (item INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
        """CREATE TABLE node (
            id INTEGER PRIMARY KEY, parent INTEGER, place INTEGER NOT NULL, depth INTEGER NOT NULL,
            size INTEGER NOT NULL, leaf INTEGER NOT NULL, description TEXT NOT NULL,
            spans TEXT NOT NULL, prior REAL NOT NULL DEFAULT 0,
            moved INTEGER NOT NULL DEFAULT 0, stale INTEGER NOT NULL DEFAULT 0)""",
        "CREATE TABLE node_sum (node INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
        "CREATE TABLE term (id INTEGER PRIMARY KEY, term TEXT NOT NULL, used_by INTEGER NOT NULL)",
        # The attributes a second time, by column, for filters.
        """CREATE TABLE attribute (
            id INTEGER PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL,
            texts INTEGER NOT NULL DEFAULT 0, hashed INTEGER NOT NULL DEFAULT 0)""",
        """CREATE TABLE attribute_text (
            attribute INTEGER NOT NULL, text TEXT NOT NULL, code INTEGER NOT NULL,
            PRIMARY KEY (attribute, text)) WITHOUT ROWID""",
        "CREATE TABLE attribute_block (place INTEGER PRIMARY KEY, packed BLOB NOT NULL)",
    ):
        db.execute(statement)


# Created once the rows are in: filling a table that has an index takes twice as long.
ID_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS item_by_id ON item (id)"
LEAF_INDEX = "CREATE INDEX IF NOT EXISTS item_by_leaf ON item (leaf)"
INDEXES = (
    *(ID_INDEX, LEAF_INDEX),
    "CREATE INDEX node_by_parent ON node (parent, place)",
    "CREATE UNIQUE INDEX term_by_term ON term (term)",
)

# "ULMR" marks a file as a tree, wherever it is and whatever its name.
TREE_FILE = FileKind(0x554C4D52, (m001_first_layout,))


def layout_name(number: int) -> str:
    """Return the name of a layout for error messages, such as m001."""
    return f"m{number:03d}"
