"""The SQLite file of a usage log: its tables, and how to open it."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import MappingProxyType

from unillmrec.errors import StoreError
from unillmrec.system.sqlite import (
    FileKind,
    ForeignFileError,
    NewerLayoutError,
    read_pragma,
    script,
)
from unillmrec.system.sqlite import open_to_read as open_file_to_read
from unillmrec.system.sqlite import open_to_write as open_file_to_write

BUSY_SECONDS = 2.0

_FIRST_LAYOUT = """CREATE TABLE call (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, command TEXT NOT NULL,
    tree TEXT NOT NULL, stage TEXT NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    endpoint TEXT NOT NULL, asked_with TEXT NOT NULL, failure TEXT NOT NULL,
    calls INTEGER NOT NULL, prompt INTEGER, completion INTEGER, cached INTEGER, reasoning INTEGER,
    estimated_prompt INTEGER NOT NULL, estimated_completion INTEGER NOT NULL,
    seconds REAL NOT NULL, retries INTEGER NOT NULL)"""
# The columns that layout 2 added: their types, and their values in the rows of layout 1. Prices
# are those of one token, so that a cost can be recomputed.
_ADDED = MappingProxyType(
    {
        "refused": ("INTEGER NOT NULL DEFAULT 0", "0"),
        "again": ("INTEGER NOT NULL DEFAULT 0", "0"),
        "about": ("TEXT NOT NULL DEFAULT ''", "''"),
        "person": ("TEXT NOT NULL DEFAULT ''", "''"),
        "max_output": ("INTEGER NOT NULL DEFAULT 0", "0"),
        "known_prompt": ("INTEGER NOT NULL DEFAULT 0", "coalesce(prompt, 0)"),
        "known_completion": ("INTEGER NOT NULL DEFAULT 0", "coalesce(completion, 0)"),
        "cost": ("REAL", "CASE WHEN prompt + completion = 0 THEN 0 END"),
        "known_cost": ("REAL NOT NULL DEFAULT 0", "0"),
        "currency": ("TEXT NOT NULL DEFAULT ''", "''"),
        "price_prompt": ("REAL", "NULL"),
        "price_cached": ("REAL", "NULL"),
        "price_completion": ("REAL", "NULL"),
        "priced_as_of": ("TEXT NOT NULL DEFAULT ''", "''"),
    }
)


def open_to_write(path: Path) -> sqlite3.Connection:
    """Open a log for adding calls; create it, or upgrade one of an older layout.

    Raises:
        StoreError: the file is something else, or newer than this program.
        sqlite3.Error: it is damaged, locked, or cannot be written.
    """
    try:
        return open_file_to_write(path, FILE, timeout=BUSY_SECONDS)
    except (ForeignFileError, NewerLayoutError) as error:
        raise _unusable(path, error) from error


def open_to_read(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open a log of any layout; return also the table, or a query with all of today's columns.

    Raises:
        StoreError: the file is missing, damaged, something else, or newer than this program.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist.", remedy="name a tree or its usage log.")
    try:
        db = open_file_to_read(path, FILE, timeout=BUSY_SECONDS)
    except (ForeignFileError, NewerLayoutError) as error:
        raise _unusable(path, error) from error
    except sqlite3.Error as error:
        raise StoreError(f"{path} is not a usage log, or it is damaged: {error}.") from error
    if read_pragma(db, "user_version") == FILE.layout:
        return db, "call"
    missing = ", ".join(f"{value} AS {name}" for name, (_, value) in _ADDED.items())
    return db, f"(SELECT *, {missing} FROM call)"


def _add_columns(db: sqlite3.Connection) -> None:
    for name, (kind, _) in _ADDED.items():
        db.execute(f"ALTER TABLE call ADD COLUMN {name} {kind}")
    values = ", ".join(f"{name} = {value}" for name, (_, value) in _ADDED.items())
    db.execute(f"UPDATE call SET {values}")
    # The sums for one tree, or for the last days, need not read all rows.
    db.execute("CREATE INDEX call_tree ON call (tree, at)")


# "ULMU"
FILE = FileKind(0x554C4D55, (script(_FIRST_LAYOUT), _add_columns))


def _unusable(path: Path, error: ForeignFileError | NewerLayoutError) -> StoreError:
    if isinstance(error, NewerLayoutError):
        return StoreError(
            f"{path} was written by a newer unillmrec.", remedy="pip install --upgrade unillmrec"
        )
    return StoreError(f"{path} is not a usage log of unillmrec.", remedy="name another file.")
