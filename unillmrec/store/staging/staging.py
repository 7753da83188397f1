"""Write a tree file beside its target, and put it in place in one step."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from types import TracebackType

from unillmrec.errors import StoreError
from unillmrec.store.files import BUSY_SECONDS
from unillmrec.store.migrations import TREE_FILE
from unillmrec.store.staging.working_file import create_working_file, remove_abandoned_files
from unillmrec.system.sqlite import is_sqlite_file, prepare


class Staging:
    """A tree file under construction.

    A context manager: `publish` replaces the target with the finished file; leaving the block
    without it removes what was written. Where the target is a symbolic link, the file that it
    points to is replaced.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.overwrite = overwrite
        self.target = Path(os.path.realpath(path))
        self._lock: int | None = None
        # Runs before the file is closed, also after an error.
        self.cleanup = ExitStack()
        try:
            check_target(path, overwrite=overwrite)
            remove_abandoned_files(self.target)
            self.working_path, self._lock = create_working_file(self.target)
            self.db = self._create_tables()
        except (sqlite3.Error, OSError) as error:
            self._discard()
            raise StoreError(
                f"{path} cannot be written: {error}.",
                remedy="check that the folder exists and is writable.",
            ) from error
        except BaseException:
            self._discard()
            raise

    def _create_tables(self) -> sqlite3.Connection:
        db = connect_staged(self.working_path)
        prepare(db, TREE_FILE)
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
        self.cleanup.close()
        self.db.close()
        self._discard()
        if isinstance(error, sqlite3.Error):
            raise StoreError(
                f"{self.path} cannot be written: {error}.",
                detail="Nothing was changed.",
                remedy="check the free space and the permissions of the folder.",
            ) from error

    def _discard(self) -> None:
        if hasattr(self, "working_path"):
            with suppress(OSError):
                self.working_path.unlink(missing_ok=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def publish(self) -> None:
        """Put the finished file in place of the target.

        Raises:
            StoreError: it cannot be written, or the target exists by now and may not be replaced.
        """
        try:
            self.db.execute("COMMIT")
            self.db.close()
            with self.working_path.open("rb+") as file:
                os.fsync(file.fileno())
            # The target may have appeared while this tree was being built.
            check_target(self.path, overwrite=self.overwrite)
            _remove_side_files(self.target)
            self._replace_target()
            _sync_folder(self.target.parent)
        except (sqlite3.Error, OSError) as error:
            raise self._publish_error(error) from error

    def _replace_target(self) -> None:
        """Give the file its name, unless another process took it a moment ago."""
        if not self.overwrite:
            try:
                # Unlike a replacement, it fails if the target exists by now.
                os.link(self.working_path, self.target)
            except FileExistsError as error:
                raise _exists_error(self.path) from error
            except OSError:
                # The file system has no links: checking once more is the best that can be done.
                check_target(self.path, overwrite=False)
            else:
                return
        self.working_path.replace(self.target)

    def _publish_error(self, error: Exception) -> StoreError:
        in_use = "locked" in str(error)
        return StoreError(
            f"{self.path} cannot be written: {error}.",
            detail="The file that was there before is unchanged." if self.target.exists() else "",
            remedy="wait until no process uses the old tree."
            if in_use
            else "check the free space and the permissions of the folder.",
        )


def connect_staged(path: Path) -> sqlite3.Connection:
    """Open a file that is being staged; only one process at a time may write to it."""
    # SQLite's locks would conflict with ours on some systems. mode=rw: a file that a newer build
    # removed as abandoned must not be created again.
    address = f"{path.as_uri()}?mode=rw&nolock=1"
    db = sqlite3.connect(address, uri=True, isolation_level=None)
    # A half-written file is thrown away, so it needs no journal and no syncing yet.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -64000"):
        db.execute(f"PRAGMA {pragma}")
    return db


def check_target(path: Path, *, overwrite: bool) -> None:
    """Check that a tree may be written to *path*: it is free, or a tree that may be replaced.

    Raises:
        StoreError: something else is there, or a tree without *overwrite*.
        OSError: it cannot be examined.
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
        raise _exists_error(path)
    if status.st_size and not TREE_FILE.marks(target):
        raise StoreError(
            f"{path} is not a tree, and --overwrite replaces only trees.",
            detail="Nothing was changed.",
            remedy="another name, or remove the file.",
        )


def _exists_error(path: Path) -> StoreError:
    return StoreError(
        f"{path} exists already.",
        detail="Nothing was changed.",
        remedy="another name, or --overwrite.",
    )


def _remove_side_files(target: Path) -> None:
    """Remove the side files of an old tree, which SQLite would apply to the new one."""
    if is_sqlite_file(target):
        with closing(sqlite3.connect(target, isolation_level=None, timeout=BUSY_SECONDS)) as old:
            try:
                # Fails if another process uses the old tree.
                old.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError:
                # The file is damaged, and about to be replaced.
                pass
    # They may also lie there without their tree.
    for suffix in ("-wal", "-shm", "-journal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
