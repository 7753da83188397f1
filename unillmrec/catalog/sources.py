"""The bytes of a catalog: from a file, a pipe or standard input, gzipped or not."""

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

from unillmrec.catalog.problems import catalog_error, quoted
from unillmrec.errors import CatalogError

_HEAD = 1 << 16
_BLOCK = 1 << 20
_GZIP = b"\x1f\x8b"


class _CountingStream(io.RawIOBase):
    """The bytes of *stream*, after those of *head*, counted as they are read."""

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


class ByteSource:
    """Bytes that can be read from the beginning; a pipe only once, unless it was buffered.

    *label* names it in errors, *name* in other output. *path* is `None` for standard input.
    *head* holds the first bytes, decompressed.
    """

    def __init__(
        self, label: str, *, path: Path | None = None, stream: BinaryIO | None = None
    ) -> None:
        self.label = label
        self.path = path
        self.name = path.name if path else label
        self.size: int | None = None
        self._stream = stream
        self._was_read = False
        self._is_owned = False
        self._buffer: BinaryIO | None = None
        self._counter: _CountingStream | None = None
        self._progress = 0
        self._raw_head = self._read_head()
        self.gzipped = self._raw_head[:2] == _GZIP
        self.head = _decompressed(label, self._raw_head) if self.gzipped else self._raw_head

    @property
    def position(self) -> int:
        """How many bytes of the file were consumed since it was last opened."""
        return self._counter.position if self._counter else self._progress

    def set_progress(self, done: int, total: int) -> None:
        """Set `position` for a reader that seeks in the file: *done* of *total* rows."""
        self._progress = (self.size or 0) * done // max(1, total)
        self._counter = None

    @property
    def is_empty(self) -> bool:
        """Whether there are no bytes at all."""
        return not self._raw_head

    def _read_head(self) -> bytes:
        """Read the first bytes. A pipe is left open, because it gives them only once."""
        try:
            if self._stream is None and self.path is not None:
                status = os.stat(self.path)
                if stat.S_ISREG(status.st_mode):
                    self.size = status.st_size
                    with self.path.open("rb") as file:
                        return file.read(_HEAD)
                self._stream = self.path.open("rb")
                self._is_owned = True
            assert self._stream is not None
            return self._stream.read(_HEAD) or b""
        except OSError as error:
            raise _open_error(self.label, self.path, error) from error

    @contextmanager
    def open(self, *, decompress: bool = True) -> Iterator[BinaryIO]:
        """Yield a stream of the bytes from the beginning.

        Raises:
            CatalogError: the file cannot be opened, or a pipe was read before.
        """
        with ExitStack() as stack:
            self._counter = self._start(stack)
            raw: io.RawIOBase = self._counter
            buffered = stack.enter_context(io.BufferedReader(raw, _BLOCK))
            if self.gzipped and decompress:
                unzipped = stack.enter_context(gzip.GzipFile(fileobj=buffered, mode="rb"))
                # GzipFile reads lines in Python; a buffer around it reads them in C.
                buffered = stack.enter_context(
                    io.BufferedReader(cast("io.RawIOBase", unzipped), _BLOCK)
                )
            yield buffered

    def _start(self, stack: ExitStack) -> _CountingStream:
        if self._buffer is not None:
            self._buffer.seek(0)
            return _CountingStream(self._buffer)
        if self._stream is not None:
            if self._was_read:
                raise catalog_error(self.label, "a pipe can be read only once")
            self._was_read = True
            return _CountingStream(self._stream, self._raw_head)
        assert self.path is not None
        try:
            return _CountingStream(stack.enter_context(self.path.open("rb")))
        except OSError as error:
            raise _open_error(self.label, self.path, error) from error

    def buffer(self) -> None:
        """Copy a pipe to a temporary file, so that it can be read several times."""
        if self._stream is None or self._buffer is not None:
            return
        with self.open(decompress=False) as stream:
            # It outlives this function; `close` closes it.
            buffer = cast("BinaryIO", tempfile.TemporaryFile())  # noqa: SIM115
            self._buffer = buffer
            shutil.copyfileobj(stream, buffer, _BLOCK)
        self.size = buffer.tell()

    @contextmanager
    def open_seekable(self) -> Iterator[BinaryIO]:
        """Yield the decompressed bytes as a seekable file."""
        self.buffer()
        with ExitStack() as stack:
            if self.gzipped:
                file = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
                shutil.copyfileobj(stack.enter_context(self.open()), file, _BLOCK)
                file.seek(0)
                yield file
            else:
                yield stack.enter_context(self._open_directly())

    @contextmanager
    def _open_directly(self) -> Iterator[BinaryIO]:
        """Yield the file itself, without counting."""
        if self._buffer is not None:
            self._buffer.seek(0)
            yield self._buffer
            return
        assert self.path is not None
        with self.path.open("rb") as file:
            yield file

    def close(self) -> None:
        """Close the temporary file, and a pipe opened here, but not a stream that was passed in."""
        if self._buffer is not None:
            self._buffer.close()
            self._buffer = None
        if self._is_owned and self._stream is not None:
            self._stream.close()


def open_source(path: str | Path, stdin: BinaryIO | None = None) -> ByteSource:
    """Open a file, or standard input if *path* is `-`.

    Raises:
        CatalogError: there is no such file, or it cannot be read.
    """
    name = str(path)
    if name == "-":
        return ByteSource("standard input", stream=stdin or sys.stdin.buffer)
    return ByteSource(name if name.isprintable() else quoted(name, 200), path=Path(path))


def read_error(label: str, after: str, error: Exception) -> CatalogError:
    """Return the error for bytes that cannot be read; *after* is the last readable place, or ""."""
    if isinstance(error, EOFError):
        return catalog_error(
            label,
            f"the gzip data end too early{after}; the file was cut off",
            remedy="copy or download the file again.",
        )
    if isinstance(error, (gzip.BadGzipFile, zlib.error)):
        return catalog_error(
            label,
            f"the gzip data are damaged{after} ({error})",
            remedy="copy or download the file again.",
        )
    return catalog_error(label, f"cannot be read{after}: {error}")


def _decompressed(label: str, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error as error:
        raise read_error(label, "", error) from error


def _open_error(label: str, path: Path | None, error: OSError) -> CatalogError:
    if isinstance(error, FileNotFoundError) and path is not None:
        near = _similar_file(path)
        remedy = f"{near}, if you meant that file." if near else "check the name."
        return catalog_error(label, "there is no such file", remedy=remedy)
    if isinstance(error, IsADirectoryError):
        return catalog_error(
            label,
            "this is a folder, not a file",
            remedy="name one file in it, or join several and pass - for standard input.",
        )
    return catalog_error(label, f"cannot be read: {error.strerror or error}")


def _similar_file(path: Path) -> str | None:
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    matches = difflib.get_close_matches(path.name, names, n=1, cutoff=0.75)
    return str(path.with_name(matches[0])) if matches else None
