"""Open, check, stage and publish the SQLite file a tree is kept in."""

from __future__ import annotations

import glob
import os
import re
import secrets
import sqlite3
import stat
import sys
import time
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType

from unillmrec.errors import StoreError
from unillmrec.store.migrations import APPLICATION_ID, LAYOUT, layout_name, migrate

BUSY_SECONDS = 10.0
ABANDONED_SECONDS = 3600.0
# Where in a SQLite file its application id stands.
_MARK = slice(68, 72)


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
        # What lies under thousands of changes is read again and again.
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
    """Copy a tree file with all that is committed, also what is still in its write-ahead log.

    Raises:
        StoreError: it is missing, is no tree file, or is newer than this program.
    """
    with closing(connect_to_read(path)) as source, closing(sqlite3.connect(target)) as copy:
        source.backup(copy)


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
    anew = f"`unillmrec build CATALOG -o {path} --overwrite` to make it anew."
    return StoreError(
        f"{path} is not a tree file, or it is damaged: {error}.",
        remedy=anew if _is_marked(path) else "name the file that `unillmrec build` wrote.",
    )


def _is_marked(path: Path) -> bool:
    """Say whether the file is a tree of ours by its first bytes, be the rest damaged or not."""
    try:
        with path.open("rb") as file:
            header = file.read(_MARK.stop)
    except OSError:
        return False
    return header[_MARK] == APPLICATION_ID.to_bytes(4, "big")


def _begins_like_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(16) == b"SQLite format 3\x00"
    except OSError:
        return False


def connect_staged(path: Path) -> sqlite3.Connection:
    """Open a file that is being staged; one process at a time may write to it."""
    # SQLite's locks would get in the way of ours on some systems. The file is there: one that a
    # killed build left, and the next one swept away, must not come back.
    address = f"{path.as_uri()}?mode=rw&nolock=1"
    db = sqlite3.connect(address, uri=True, isolation_level=None)
    # A half-written file is thrown away, so it needs no journal and no syncing yet.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000"):
        db.execute(f"PRAGMA {pragma}")
    return db


class Staging:
    """A tree file being written beside the place it will have.

    Used as a context: leaving it by an error takes away what was written; `publish` puts
    the file in place in one step. A link is followed, and the file it leads to is written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.overwrite = overwrite
        self.target = Path(os.path.realpath(path))
        self._lock: int | None = None
        # What has to end before the file is closed, whatever happens.
        self.ending = ExitStack()
        try:
            check_place(path, overwrite=overwrite)
            _sweep(self.target)
            self.beside, self._lock = _new_beside(self.target)
            self.db = self._begun()
        except (sqlite3.Error, OSError) as error:
            self._discard()
            raise StoreError(
                f"{path} cannot be written: {error}.",
                remedy="check that the folder exists and is writable.",
            ) from error
        except BaseException:
            self._discard()
            raise

    def _begun(self) -> sqlite3.Connection:
        db = connect_staged(self.beside)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db)
        db.execute("BEGIN")
        return db

    def __enter__(self) -> Staging:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.ending.close()
        self.db.close()
        self._discard()
        if isinstance(error, sqlite3.Error):
            raise StoreError(
                f"{self.path} cannot be written: {error}.",
                detail="Nothing was changed.",
                remedy="check the free space and the permissions of the folder.",
            ) from error

    def _discard(self) -> None:
        if hasattr(self, "beside"):
            with suppress(OSError):
                self.beside.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def publish(self) -> None:
        """Put the finished file where it belongs; what was there before is replaced."""
        try:
            self.db.execute("COMMIT")
            self.db.close()
            with self.beside.open("rb+") as file:
                os.fsync(file.fileno())
            # Somebody may have put a file there while this one was being built.
            check_place(self.path, overwrite=self.overwrite)
            _release(self.target)
            self._put()
            _sync_folder(self.target.parent)
        except (sqlite3.Error, OSError) as error:
            in_use = "locked" in str(error)
            there = self.target.exists()
            raise StoreError(
                f"{self.path} cannot be written: {error}.",
                detail="The file that was there before is unchanged." if there else "",
                remedy="again when nobody uses the old tree."
                if in_use
                else "check the free space and the permissions of the folder.",
            ) from error

    def _put(self) -> None:
        """Give the file its name, which nobody else may have got to first."""
        if not self.overwrite:
            try:
                # Unlike a replacement it fails where there is a file by now.
                os.link(self.beside, self.target)
            except FileExistsError as error:
                raise _exists(self.path) from error
            except OSError:
                # A file system without links: what is left is to look, and to replace.
                check_place(self.path, overwrite=False)
            else:
                return
        self.beside.replace(self.target)


def check_place(path: Path, *, overwrite: bool) -> None:
    """Make sure that a tree may be put at *path*: nothing is there, or a tree to replace.

    Raises:
        StoreError: something else is there, or a tree without leave to replace it.
        OSError: one cannot tell.
    """
    target = Path(os.path.realpath(path))
    try:
        status = target.stat()
    except FileNotFoundError:
        return
    if stat.S_ISDIR(status.st_mode):
        raise StoreError(f"{path} is a folder.", remedy="name a file, such as shop.tree.")
    if not stat.S_ISREG(status.st_mode):
        raise StoreError(
            f"{path} is a pipe, a device or a socket, and a tree is a file.",
            detail="Nothing was changed.",
            remedy="name a file, such as shop.tree.",
        )
    if not overwrite:
        raise _exists(path)
    if status.st_size and not _is_marked(target):
        raise StoreError(
            f"{path} is not a tree, and --overwrite replaces only trees.",
            detail="Nothing was changed.",
            remedy="another name, or remove the file.",
        )


def _exists(path: Path) -> StoreError:
    return StoreError(
        f"{path} exists already.",
        detail="Nothing was changed.",
        remedy="another name, or --overwrite.",
    )


def _new_beside(target: Path) -> tuple[Path, int | None]:
    """Make the file to write into, and hold its lock for as long as this process builds."""
    while True:
        name = f".{target.name}.{os.getpid()}.{secrets.token_hex(3)}.building"
        beside = target.with_name(name)
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        held = _lock(handle)
        if held is None:
            os.close(handle)
            return beside, None
        # Another build may have swept it away between its making and its locking.
        if held and os.fstat(handle).st_nlink:
            return beside, handle
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Take the lock of an open file; say whether it was free, or `None` without locks."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def _sweep(target: Path) -> None:
    """Remove what killed builds of the same tree left behind."""
    ours = re.compile(rf"\.{re.escape(target.name)}\.(\d+)(\.[0-9a-f]+)?\.building")
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.building"):
        found = ours.fullmatch(left.name)
        with suppress(OSError):
            if found and stat.S_ISREG(left.lstat().st_mode):
                _sweep_one(left, int(found[1]))


def _sweep_one(left: Path, process: int) -> None:
    """Remove a file that nobody holds.

    Where there are no locks a young file is left alone though its process is unknown here:
    it may belong to another machine that shares the folder.
    """
    handle = os.open(left, os.O_RDWR)
    try:
        held = _lock(handle)
        if held:
            left.unlink()
    finally:
        os.close(handle)
    old = time.time() - left.stat().st_mtime > ABANDONED_SECONDS if held is None else False
    if old and not _runs(process):
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
