"""Open and check the SQLite file that holds a tree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from unillmrec.errors import StoreError
from unillmrec.store.migrations import TREE_FILE, layout_name
from unillmrec.system.sqlite import (
    ForeignFileError,
    NewerLayoutError,
    is_sqlite_file,
    open_to_read,
    open_to_write,
)

BUSY_SECONDS = 10.0


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a tree file for reading, without loading anything.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    try:
        _check_exists(path)
        return open_to_read(path, TREE_FILE, timeout=BUSY_SECONDS)
    except (sqlite3.DatabaseError, OSError) as error:
        raise _open_error(path, error) from error


def connect_to_change(path: Path) -> sqlite3.Connection:
    """Open a tree file for changes, in a write-ahead log that readers need not wait for.

    Raises:
        StoreError: as for reading, or the file cannot be written.
    """
    connect_to_read(path).close()
    try:
        db = open_to_write(path, TREE_FILE, timeout=BUSY_SECONDS)
    except sqlite3.DatabaseError as error:
        raise StoreError(
            f"{path} cannot be changed: {error}.",
            detail="Nothing was changed.",
            remedy="check the permissions of the file and of its folder.",
        ) from error
    # Thousands of changes read the same pages again and again.
    db.execute("PRAGMA cache_size = -64000")
    return db


def copy_tree(path: Path, target: Path) -> None:
    """Copy a tree file with everything committed, including its write-ahead log.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    with closing(connect_to_read(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "does not exist"
        raise StoreError(
            f"{path} {problem}.", remedy=f"`unillmrec build CATALOG -o {path}` to make a tree."
        )


def _open_error(path: Path, error: sqlite3.DatabaseError | OSError) -> StoreError:
    built = "name the file that `unillmrec build` wrote."
    if isinstance(error, ForeignFileError):
        problem = "is a SQLite file of another program" if path.stat().st_size else "is empty"
        return StoreError(f"{path} {problem}.", remedy=built)
    if isinstance(error, NewerLayoutError):
        known = layout_name(TREE_FILE.layout)
        return StoreError(
            f"{path} was written by a newer unillmrec"
            f" (layout {layout_name(error.layout)}; this one knows {known}).",
            remedy="pip install --upgrade unillmrec",
        )
    if isinstance(error, OSError | sqlite3.OperationalError) and not is_sqlite_file(path):
        return StoreError(f"{path} cannot be opened: {error}.", remedy="check its permissions.")
    rebuild = f"`unillmrec build CATALOG -o {path} --overwrite` to rebuild it."
    return StoreError(
        f"{path} is not a tree file, or it is damaged: {error}.",
        remedy=rebuild if TREE_FILE.marks(path) else built,
    )
