"""Where the bytes of a catalog come from: a file, a pipe or standard input, gzipped or not."""

from __future__ import annotations

import difflib
import gzip
import io
import os
import shutil
import stat
import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from unillmrec.catalog.problems import catalog_error, shown
from unillmrec.errors import CatalogError

_HEAD = 1 << 16
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"


class _Counted(io.RawIOBase):
    """The bytes of *stream*, counted as they are taken; *head* was taken before and goes first."""

    def __init__(self, stream: BinaryIO, head: bytes = b"") -> None:
        self._stream = stream
        self._head = head
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            data, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            data = self._stream.read(len(buffer)) or b""
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


class Source:
    """Bytes that can be opened from the beginning; a pipe only once, unless `keep` was called.

    *label* names it in errors, *name* in a line for people; *path* is `None` for what is
    not a file of its own. *head* holds the first bytes, already decompressed.
    """

    def __init__(
        self, label: str, *, path: Path | None = None, stream: BinaryIO | None = None
    ) -> None:
        self.label = label
        self.path = path
        self.name = path.name if path else label
        self.size: int | None = None
        self._stream = stream
        self._used = False
        self._owned = False
        self._kept: BinaryIO | None = None
        self._counted: _Counted | None = None
        self._reached = 0
        self._raw_head = self._look()
        self.gzipped = self._raw_head[:2] == _GZIP
        self.head = _decompressed(label, self._raw_head) if self.gzipped else self._raw_head

    @property
    def position(self) -> int:
        """How many bytes were consumed since the last opening, as they lie on the disk."""
        return self._counted.position if self._counted else self._reached

    def reached(self, done: int, total: int) -> None:
        """Note how far a reader came that jumps about in the file: *done* rows of *total*."""
        self._reached = (self.size or 0) * done // max(1, total)
        self._counted = None

    @property
    def empty(self) -> bool:
        """Whether there is not a single byte."""
        return not self._raw_head

    def _look(self) -> bytes:
        """Take the first bytes; what is no regular file cannot give them twice, so keep it open."""
        try:
            if self._stream is None and self.path is not None:
                status = os.stat(self.path)
                if stat.S_ISREG(status.st_mode):
                    self.size = status.st_size
                    with self.path.open("rb") as file:
                        return file.read(_HEAD)
                self._stream = self.path.open("rb")
                self._owned = True
            assert self._stream is not None
            return self._stream.read(_HEAD) or b""
        except OSError as error:
            raise _unreadable(self.label, self.path, error) from error

    @contextmanager
    def opened(self, *, decompress: bool = True) -> Iterator[BinaryIO]:
        """Give the bytes from the beginning, decompressed unless told otherwise.

        Raises:
            CatalogError: the file cannot be opened, or a pipe was read before.
        """
        with ExitStack() as stack:
            self._counted = self._start(stack)
            plain: io.RawIOBase = self._counted
            buffered = stack.enter_context(io.BufferedReader(plain, _BLOCK))
            if self.gzipped and decompress:
                unzipped = stack.enter_context(gzip.GzipFile(fileobj=buffered, mode="rb"))
                # GzipFile reads lines in Python; a buffer around it reads them in C.
                buffered = stack.enter_context(
                    io.BufferedReader(cast("io.RawIOBase", unzipped), _BLOCK)
                )
            yield buffered

    def _start(self, stack: ExitStack) -> _Counted:
        if self._kept is not None:
            self._kept.seek(0)
            return _Counted(self._kept)
        if self._stream is not None:
            if self._used:
                raise catalog_error(self.label, "a pipe can be read only once")
            self._used = True
            return _Counted(self._stream, self._raw_head)
        assert self.path is not None
        try:
            return _Counted(stack.enter_context(self.path.open("rb")))
        except OSError as error:
            raise _unreadable(self.label, self.path, error) from error

    def keep(self) -> None:
        """Copy a pipe to a temporary file, so that it can be opened again and again."""
        if self._stream is None or self._kept is not None:
            return
        with self.opened(decompress=False) as stream:
            # Closed by `close`: it must outlive this function.
            kept = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
            self._kept = kept
            shutil.copyfileobj(stream, kept, _BLOCK)
        self.size = kept.tell()

    @contextmanager
    def seekable(self) -> Iterator[BinaryIO]:
        """Give the decompressed bytes as a file in which one can jump."""
        self.keep()
        with ExitStack() as stack:
            if self.gzipped:
                file = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
                shutil.copyfileobj(stack.enter_context(self.opened()), file, _BLOCK)
                file.seek(0)
                yield file
            else:
                yield stack.enter_context(self._direct())

    @contextmanager
    def _direct(self) -> Iterator[BinaryIO]:
        """Give the file itself, uncounted."""
        if self._kept is not None:
            self._kept.seek(0)
            yield self._kept
            return
        assert self.path is not None
        with self.path.open("rb") as file:
            yield file

    def close(self) -> None:
        """Let go of the temporary file and of a pipe opened here; not of what was handed in."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
        if self._owned and self._stream is not None:
            self._stream.close()


def open_source(given: str | Path, stdin: BinaryIO | None = None) -> Source:
    """Find the bytes that *given* names; `-` is standard input.

    Raises:
        CatalogError: there is no such file, or it cannot be read.
    """
    if str(given) == "-":
        return Source("standard input", stream=stdin or sys.stdin.buffer)
    name = str(given)
    return Source(name if name.isprintable() else shown(name, 200), path=Path(given))


def damaged(label: str, last: str, error: Exception) -> CatalogError:
    """Return the error for bytes that stop being readable after *last*, a place in words."""
    if isinstance(error, EOFError):
        return catalog_error(
            label,
            f"the gzip data stop too early{last}; the file was cut off",
            remedy="copy or download the file again.",
        )
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return catalog_error(
            label,
            f"the gzip data are damaged{last} ({error})",
            remedy="copy or download the file again.",
        )
    return catalog_error(label, f"cannot be read{last}: {error}")


def _decompressed(label: str, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error as error:
        raise damaged(label, "", error) from error


def _unreadable(label: str, path: Path | None, error: OSError) -> CatalogError:
    if isinstance(error, FileNotFoundError) and path is not None:
        near = _neighbour(path)
        remedy = f"{near}, if that is what was meant." if near else "check the name."
        return catalog_error(label, "there is no such file", remedy=remedy)
    if isinstance(error, IsADirectoryError):
        return catalog_error(
            label,
            "this is a folder, not a file",
            remedy="name one file in it, or join several and give - for standard input.",
        )
    return catalog_error(label, f"cannot be read: {error.strerror or error}")


def _neighbour(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    found = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return str(path.with_name(found[0])) if found else None
