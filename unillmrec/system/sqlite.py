"""Open, mark, check and upgrade the SQLite files of this package.

The application id in a file's header identifies the kind of file, whatever its name; the user
version is the layout of the tables.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

Migration: TypeAlias = Callable[[sqlite3.Connection], object]

_SIGNATURE = b"SQLite format 3\x00"
# The bytes of a SQLite file's header that hold its application id.
_APPLICATION_ID = slice(68, 72)


class ForeignFileError(sqlite3.DatabaseError):
    """A SQLite file is not of the kind it was opened as."""


class NewerLayoutError(sqlite3.DatabaseError):
    """A file has a layout that this version does not know yet; *layout* is its number."""

    def __init__(self, layout: int) -> None:
        super().__init__(f"it has layout {layout}, from a newer unillmrec")
        self.layout = layout


@dataclass(frozen=True, slots=True)
class FileKind:
    """One kind of SQLite file: its application id, and one migration for each layout.

    The first migration creates the tables of an empty file; each other one brings a file of the
    layout before it up to date. All that a file lacks run in one transaction.
    """

    application_id: int
    migrations: tuple[Migration, ...]

    @property
    def layout(self) -> int:
        """The newest layout, which new files have."""
        return len(self.migrations)

    def marks(self, path: Path) -> bool:
        """Return whether the header of *path* names this kind, even if the rest is damaged."""
        return _header(path)[_APPLICATION_ID] == self.application_id.to_bytes(4, "big")


def script(text: str) -> Migration:
    """Return a migration that executes the statements of *text*, one after each semicolon."""
    statements = text.split(";")

    def migrate(db: sqlite3.Connection) -> None:
        for statement in statements:
            db.execute(statement)

    return migrate


def open_to_read(path: Path, kind: FileKind, *, timeout: float) -> sqlite3.Connection:
    """Open an existing file read-only.

    Raises:
        ForeignFileError: it is another kind of file.
        NewerLayoutError: a newer version wrote it.
        sqlite3.Error: it is missing, damaged, or no SQLite file.
    """
    address = f"{path.resolve().as_uri()}?mode=ro"
    try:
        return _opened_to_read(address, kind, timeout)
    except sqlite3.OperationalError:
        if not is_sqlite_file(path) or path.with_name(f"{path.name}-wal").exists():
            raise
        # In a folder that is not writable, SQLite cannot create the files of an empty log.
        return _opened_to_read(f"{address}&immutable=1", kind, timeout)


def open_to_write(
    path: Path, kind: FileKind, *, timeout: float, exclusive: bool = False
) -> sqlite3.Connection:
    """Open a file for changes; create it where there is none, and upgrade one of an old layout.

    An *exclusive* connection keeps all others out until it is closed, also those that only read.

    Raises:
        ForeignFileError: it is another kind of file, which stays as it is.
        NewerLayoutError: a newer version wrote it.
        sqlite3.Error: it is damaged, locked, or cannot be written.
    """
    with suppress(OSError):
        # Only its owner may read a new file, or the ones that SQLite creates beside it: these
        # files tell about people. An empty file is a new one to SQLite.
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    db = connect(path, timeout=timeout)
    with closed_on_error(db):
        if exclusive:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
        # Opening a file of the newest layout need not wait for another process that writes.
        if exclusive or not _is_current(db, kind):
            prepare(db, kind)
        # A row in a write-ahead log survives a killed process without waiting for the disk: 20,000
        # rows a second instead of 50, and readers need not wait. Where the file system cannot
        # have one, the usual journal does.
        with suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        # In a write-ahead log the file stays whole in a power cut; the last rows may be lost.
        db.execute("PRAGMA synchronous = NORMAL")
    return db


def connect(address: str | Path, *, timeout: float) -> sqlite3.Connection:
    """Return a connection for several threads, in which every transaction is begun explicitly."""
    return sqlite3.connect(
        address,
        uri=isinstance(address, str),
        isolation_level=None,
        check_same_thread=False,
        timeout=timeout,
    )


def prepare(db: sqlite3.Connection, kind: FileKind) -> None:
    """Create the tables of an empty file, or upgrade a file of an old layout.

    Raises:
        ForeignFileError: it is another kind of file.
        NewerLayoutError: a newer version wrote it.
    """
    # Two processes that find no file must not both create the tables.
    with transaction(db):
        if _is_empty(db):
            db.execute(f"PRAGMA application_id = {kind.application_id}")
        layout = _checked_layout(db, kind)
        for migration in kind.migrations[layout:]:
            migration(db)
        if layout < kind.layout:
            db.execute(f"PRAGMA user_version = {kind.layout}")


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what is done inside, or roll it back when that raises."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        # A full disk ends a transaction by itself.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


@contextmanager
def closed_on_error(db: sqlite3.Connection) -> Iterator[None]:
    """Close *db* if what is done inside raises."""
    try:
        yield
    except BaseException:
        db.close()
        raise


def read_pragma(db: sqlite3.Connection, name: str) -> int:
    """Return the number that a PRAGMA is set to."""
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def is_sqlite_file(path: Path) -> bool:
    """Return whether a file begins as SQLite files do, even if the rest is damaged."""
    return _header(path).startswith(_SIGNATURE)


def _opened_to_read(address: str, kind: FileKind, timeout: float) -> sqlite3.Connection:
    db = connect(address, timeout=timeout)
    with closed_on_error(db):
        _checked_layout(db, kind)
    return db


def _checked_layout(db: sqlite3.Connection, kind: FileKind) -> int:
    if read_pragma(db, "application_id") != kind.application_id:
        raise ForeignFileError("another program wrote it")
    layout = read_pragma(db, "user_version")
    if layout > kind.layout:
        raise NewerLayoutError(layout)
    return layout


def _is_current(db: sqlite3.Connection, kind: FileKind) -> bool:
    marks = (read_pragma(db, "application_id"), read_pragma(db, "user_version"))
    return marks == (kind.application_id, kind.layout)


def _is_empty(db: sqlite3.Connection) -> bool:
    marked = any(read_pragma(db, name) for name in ("application_id", "user_version"))
    return not marked and not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]


def _header(path: Path) -> bytes:
    """Return the first bytes of a file; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_APPLICATION_ID.stop)
    except OSError:
        return b""
