"""The temporary file that a build writes into, locked so that other builds leave it alone."""

from __future__ import annotations

import glob
import os
import re
import secrets
import stat
import sys
import time
from contextlib import suppress
from pathlib import Path

ABANDONED_SECONDS = 3600.0


def create_working_file(target: Path) -> tuple[Path, int | None]:
    """Create a file beside *target*, and return it with the handle that holds its lock.

    The handle is `None` where the file system has no locks.
    """
    while True:
        name = f".{target.name}.{os.getpid()}.{secrets.token_hex(3)}.building"
        path = target.with_name(name)
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        locked = _lock(handle)
        if locked is None:
            os.close(handle)
            return path, None
        # Another build may have removed the file before it was locked.
        if locked and os.fstat(handle).st_nlink:
            return path, handle
        os.close(handle)


def remove_abandoned_files(target: Path) -> None:
    """Remove the files that killed builds of the same tree left behind."""
    pattern = re.compile(rf"\.{re.escape(target.name)}\.(\d+)(\.[0-9a-f]+)?\.building")
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.building"):
        match = pattern.fullmatch(path.name)
        with suppress(OSError):
            if match and stat.S_ISREG(path.lstat().st_mode):
                _remove_if_abandoned(path, int(match[1]))


def _remove_if_abandoned(path: Path, process: int) -> None:
    """Remove a file that no build holds.

    Without locks, a young file stays even if its process is unknown here: it may belong to
    another machine that shares the folder.
    """
    handle = os.open(path, os.O_RDWR)
    try:
        locked = _lock(handle)
        if locked:
            path.unlink()
    finally:
        os.close(handle)
    is_old = locked is None and time.time() - path.stat().st_mtime > ABANDONED_SECONDS
    if is_old and not _is_running(process):
        path.unlink()


def _lock(handle: int) -> bool | None:
    """Lock an open file; return whether it was free, or `None` where there are no locks."""
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


def _is_running(process: int) -> bool:
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
