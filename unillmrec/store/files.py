"""Open and check the SQLite file that holds a tree."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from unillmrec.errors import StoreError
from unillmrec.store.migrations import APPLICATION_ID, LAYOUT, layout_name, migrate

BUSY_SECONDS = 10.0
# The bytes of a SQLite file's header that hold its application id.
_APPLICATION_ID_BYTES = slice(68, 72)


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a tree file for reading, without loading anything.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    try:
        missing = not path.is_file()
        problem = "is a folder" if path.is_dir() else "does not exist"
    except OSError as error:
        raise _open_error(path, error) from error
    if missing:
        raise StoreError(
            f"{path} {problem}.", remedy=f"`unillmrec build CATALOG -o {path}` to make a tree."
        )
    db = None
    try:
        db = _open_read_only(path)
        _check_layout(path, db)
    except sqlite3.DatabaseError as error:
        _close(db)
        raise _open_error(path, error) from error
    except StoreError:
        _close(db)
        raise
    return db


def connect_to_change(path: Path) -> sqlite3.Connection:
    """Open a tree file for changes, in a write-ahead log that readers need not wait for.

    Raises:
        StoreError: as for reading, or the file cannot be written.
    """
    connect_to_read(path).close()
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # In a write-ahead log the file stays whole in a power cut, and writes are six times faster.
        db.execute("PRAGMA synchronous = NORMAL")
        # Thousands of changes read the same pages again and again.
        db.execute("PRAGMA cache_size = -64000")
        migrate(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(
            f"{path} cannot be changed: {error}.",
            detail="Nothing was changed.",
            remedy="check the permissions of the file and of its folder.",
        ) from error
    return db


def copy_tree(path: Path, target: Path) -> None:
    """Copy a tree file with everything committed, including its write-ahead log.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    with closing(connect_to_read(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


def is_tree_file(path: Path) -> bool:
    """Return whether the header of a file says that it is a tree, even if the rest is damaged."""
    return _header(path)[_APPLICATION_ID_BYTES] == APPLICATION_ID.to_bytes(4, "big")


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file begins as SQLite files do."""
    return _header(path).startswith(b"SQLite format 3\x00")


def _header(path: Path) -> bytes:
    """Return the beginning of a file; nothing of one that cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_APPLICATION_ID_BYTES.stop)
    except OSError:
        return b""


def _check_layout(path: Path, db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        problem = "is a SQLite file of another program" if path.stat().st_size else "is empty"
        raise StoreError(f"{path} {problem}.", remedy="name the file that `unillmrec build` wrote.")
    if layout > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer unillmrec "
            f"(layout {layout_name(layout)}; this one knows {layout_name(LAYOUT)}).",
            remedy="pip install --upgrade unillmrec",
        )


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()


def _open_read_only(path: Path) -> sqlite3.Connection:
    # Several threads of one walk read through one connection, one at a time, under a lock.
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=BUSY_SECONDS,
    )


def _open_error(path: Path, error: sqlite3.DatabaseError | OSError) -> StoreError:
    if isinstance(error, OSError | sqlite3.OperationalError) and not is_sqlite_file(path):
        return StoreError(f"{path} cannot be opened: {error}.", remedy="check its permissions.")
    rebuild = f"`unillmrec build CATALOG -o {path} --overwrite` to rebuild it."
    return StoreError(
        f"{path} is not a tree file, or it is damaged: {error}.",
        remedy=rebuild if is_tree_file(path) else "name the file that `unillmrec build` wrote.",
    )
