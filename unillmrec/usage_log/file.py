"""The file of a usage log: what is in it, and how older ones come up to date."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

from unillmrec.errors import StoreError

# "ULMU": what makes the file ours, wherever it is and whatever it is called.
APPLICATION_ID = 0x554C4D55
LAYOUT = 2
BUSY_SECONDS = 2.0

_FIRST_LAYOUT = """CREATE TABLE call (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, command TEXT NOT NULL,
    tree TEXT NOT NULL, stage TEXT NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    endpoint TEXT NOT NULL, asked_with TEXT NOT NULL, failure TEXT NOT NULL,
    calls INTEGER NOT NULL, prompt INTEGER, completion INTEGER, cached INTEGER, reasoning INTEGER,
    estimated_prompt INTEGER NOT NULL, estimated_completion INTEGER NOT NULL,
    seconds REAL NOT NULL, retries INTEGER NOT NULL)"""
# What layout 2 has more, each with its type and what it is in the rows of layout 1. Prices are
# those of one token, so that a cost can be worked out again.
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
    """Open a log, or make one; bring one of an older layout up to date.

    Raises:
        StoreError: the file is something else, or newer than this program.
    """
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    try:
        # Two first calls at the same time must not both make the table.
        db.execute("BEGIN IMMEDIATE")
        if _pragma(db, "user_version") == 0 and not _has_tables(db):
            db.execute(_FIRST_LAYOUT)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute("PRAGMA user_version = 1")
        _check(db, path)
        if _pragma(db, "user_version") == 1:
            _bring_up_to_date(db)
        db.execute("COMMIT")
        # A row is safe from a killed process once it is in this journal, without waiting for
        # the disk: with the usual journal a log takes fifty rows a second, with this one
        # twenty thousand. Where it cannot be had, the usual one does.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        db.close()
        raise
    return db


def open_to_read(path: Path) -> tuple[sqlite3.Connection, str]:
    """Open a log of any layout; return also what to select from, with the columns of today.

    Raises:
        StoreError: the file is missing, damaged, something else, or newer than this program.
    """
    if not path.is_file():
        raise StoreError(f"{path} does not exist.", remedy="name a tree or its usage log.")
    uri = f"{path.resolve().as_uri()}?mode=ro"
    try:
        try:
            db = _opened(uri, path)
        except sqlite3.OperationalError:
            # In a folder that cannot be written, the journal cannot be looked for either.
            db = _opened(uri + "&immutable=1", path)
    except sqlite3.Error as error:
        raise StoreError(f"{path} is not a usage log, or it is damaged: {error}.") from error
    if _pragma(db, "user_version") == LAYOUT:
        return db, "call"
    missing = ", ".join(f"{value} AS {name}" for name, (_, value) in _ADDED.items())
    return db, f"(SELECT *, {missing} FROM call)"


def _opened(uri: str, path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
    try:
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _bring_up_to_date(db: sqlite3.Connection) -> None:
    for name, (kind, _) in _ADDED.items():
        db.execute(f"ALTER TABLE call ADD COLUMN {name} {kind}")
    values = ", ".join(f"{name} = {value}" for name, (_, value) in _ADDED.items())
    db.execute(f"UPDATE call SET {values}")
    # Whoever asks about one tree, or about the last calls, need not read all the others.
    db.execute("CREATE INDEX call_tree ON call (tree, at)")
    db.execute(f"PRAGMA user_version = {LAYOUT}")


def _check(db: sqlite3.Connection, path: Path) -> None:
    if _pragma(db, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is not a usage log of unillmrec.", remedy="name another file.")
    if _pragma(db, "user_version") > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer unillmrec.", remedy="pip install --upgrade unillmrec"
        )


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
