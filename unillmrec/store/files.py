"""Open, check, stage and publish the SQLite file a tree is kept in."""

from __future__ import annotations

import glob
import os
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType

from unillmrec.errors import StoreError
from unillmrec.store.migrations import APPLICATION_ID, LAYOUT, layout_name, migrate

BUSY_SECONDS = 10.0
ABANDONED_SECONDS = 3600.0


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open a tree file for reading; nothing of it is loaded.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    try:
        missing = not path.is_file()
        what = "is a folder" if path.is_dir() else "does not exist"
    except OSError as error:
        raise _unreadable(path, error) from error
    if missing:
        raise StoreError(
            f"{path} {what}.", remedy=f"`unillmrec build CATALOG -o {path}` to make a tree."
        )
    db = None
    try:
        db = _open_read_only(path)
        _check_layout(path, db)
    except sqlite3.DatabaseError as error:
        _close(db)
        raise _unreadable(path, error) from error
    except StoreError:
        _close(db)
        raise
    return db


def _check_layout(path: Path, db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (layout,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        what = "is a SQLite file, but not one of unillmrec" if path.stat().st_size else "is empty"
        raise StoreError(f"{path} {what}.", remedy="name the file that `unillmrec build` wrote.")
    if layout > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer unillmrec "
            f"(layout {layout_name(layout)}; this one knows {layout_name(LAYOUT)}).",
            remedy="pip install --upgrade unillmrec",
        )


def _close(db: sqlite3.Connection | None) -> None:
    if db is not None:
        db.close()


def connect_to_change(path: Path) -> sqlite3.Connection:
    """Open a tree file for changes, in a journal that readers need not wait for.

    Raises:
        StoreError: as for reading, or the file cannot be written.
    """
    connect_to_read(path).close()
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=BUSY_SECONDS)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # In a write-ahead log this keeps the file whole at a power cut, and is six times faster.
        db.execute("PRAGMA synchronous = NORMAL")
        migrate(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise StoreError(
            f"{path} cannot be changed: {error}.",
            detail="Nothing was changed.",
            remedy="check the permissions of the file and of its folder.",
        ) from error
    return db


def _open_read_only(path: Path) -> sqlite3.Connection:
    # Several threads of one walk read through one connection, one at a time, under a lock.
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro",
        uri=True,
        check_same_thread=False,
        isolation_level=None,
        timeout=BUSY_SECONDS,
    )


def _unreadable(path: Path, error: sqlite3.DatabaseError | OSError) -> StoreError:
    if isinstance(error, OSError | sqlite3.OperationalError) and not _begins_like_sqlite(path):
        return StoreError(f"{path} cannot be opened: {error}.", remedy="check its permissions.")
    return StoreError(
        f"{path} is not a tree file, or it is damaged: {error}.",
        remedy=f"`unillmrec build CATALOG -o {path} --overwrite` to make it anew.",
    )


def _begins_like_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False


class Staging:
    """A tree file being written beside the place it will have.

    Used as a context: leaving it by an error takes away what was written; `publish` puts
    the file in place in one step.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.overwrite = overwrite
        self.beside = path.with_name(f".{path.name}.{os.getpid()}.building")
        try:
            _check_place(path, overwrite=overwrite)
            _sweep(path)
            self.beside.unlink(missing_ok=True)
            self.db = sqlite3.connect(self.beside, isolation_level=None)
            # A half-written file is thrown away, so it needs no journal and no syncing yet.
            for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000"):
                self.db.execute(f"PRAGMA {pragma}")
            self.db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(self.db)
            self.db.execute("BEGIN")
        except (sqlite3.Error, OSError) as error:
            self._discard()
            raise StoreError(
                f"{path} cannot be written: {error}.",
                remedy="check that the folder exists and is writable.",
            ) from error

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.db.close()
        self._discard()
        if isinstance(error, sqlite3.Error):
            raise StoreError(
                f"{self.path} cannot be written: {error}.",
                detail="Nothing was changed.",
                remedy="check the free space and the permissions of the folder.",
            ) from error

    def _discard(self) -> None:
        with suppress(OSError):
            self.beside.unlink(missing_ok=True)

    def publish(self) -> None:
        """Put the finished file where it belongs; what was there before is replaced."""
        try:
            self.db.execute("COMMIT")
            self.db.close()
            with self.beside.open("rb+") as file:
                os.fsync(file.fileno())
            # Somebody may have put a file there while this one was being built.
            _check_place(self.path, overwrite=self.overwrite)
            _release(self.path)
            self.beside.replace(self.path)
            _sync_folder(self.path.parent)
        except (sqlite3.Error, OSError) as error:
            in_use = "locked" in str(error)
            raise StoreError(
                f"{self.path} cannot be written: {error}.",
                detail="The file that was there before is unchanged.",
                remedy="again when nobody uses the old tree."
                if in_use
                else "check the free space and the permissions of the folder.",
            ) from error


def _check_place(path: Path, *, overwrite: bool) -> None:
    if path.is_dir():
        raise StoreError(f"{path} is a folder.", remedy="name a file, such as shop.tree.")
    if path.exists() and not overwrite:
        raise StoreError(
            f"{path} exists already.",
            detail="Nothing was changed.",
            remedy="another name, or --overwrite.",
        )


def _sweep(path: Path) -> None:
    """Remove what killed builds of the same tree left behind.

    A young file is left alone though its process is unknown here: it may belong to another
    machine that shares the folder.
    """
    for left in path.parent.glob(f".{glob.escape(path.name)}.*.building"):
        with suppress(OSError, ValueError):
            number = int(left.name.split(".")[-2])
            if time.time() - left.stat().st_mtime > ABANDONED_SECONDS and not _runs(number):
                left.unlink()


def _runs(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _release(path: Path) -> None:
    """Fold the side files of an old tree into it, lest they be taken for the new one's."""
    if _begins_like_sqlite(path):
        with closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_SECONDS)) as old:
            try:
                old.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # Damaged beyond folding; it is about to be replaced.
                pass
    # Their old tree may be gone, or may have been no tree at all; SQLite would still believe them.
    for side in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + side).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
