"""Vectors to cluster instead of words: from a file, or from an endpoint that embeds text."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from tokenize import TokenError
from typing import Protocol
from zipfile import BadZipFile, is_zipfile

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.tree.clustering import unit_rows
from unillmrec.tree.vectors import Floats

EMBED_BATCH = 256
ROWS_AT_ONCE = 65_536
# From this many numbers on, they are kept in a file, which processes can share.
MIN_VALUES_IN_A_FILE = 10_000_000
# The text of an item that is embedded. More than a few hundred words do not improve vectors.
EMBED_CHARACTERS = 2_000

# The header of a `.npy` file is a Python expression, and the shape in it any number.
_UNREADABLE = (
    *(OSError, ValueError, EOFError, BadZipFile, SyntaxError, TokenError),
    *(RecursionError, MemoryError, ArithmeticError, TypeError),
)
NPY_MAGIC = b"\x93NUMPY"

Embed = Callable[[Sequence[str]], list[list[float]]]


class GivenVectors(Protocol):
    """One vector for each item, in catalog order."""

    @property
    def model(self) -> str | None:
        """The embedding model that made them, if known."""

    def add(self, item: Item) -> None:
        """Accept the next item of the catalog."""

    def for_items(self, count: int) -> Floats:
        """Return the vectors of *count* items as unit rows."""


class VectorFile:
    """Vectors from a `.npy` file: a two-dimensional array with a row for each item."""

    model = None

    def __init__(self, path: str | Path) -> None:
        path = self.path = Path(path)
        try:
            _refuse_broken_zip(path)
            # Pickles are refused, because reading one can run code.
            with np.errstate(over="raise"):
                self._rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except _UNREADABLE as error:
            raise TreeError(
                f"{path} cannot be read as vectors: {_reason(path, error)}.",
                remedy="write it with numpy.save(), as a two-dimensional array of floats.",
            ) from error
        if not isinstance(self._rows, np.ndarray):
            self._rows.close()
            raise TreeError(
                f"{path} holds several arrays.",
                remedy="write one of them to its own file with numpy.save().",
            )
        if self._rows.ndim != 2 or self._rows.dtype.kind != "f":
            raise TreeError(
                f"{path} holds an array of {self._rows.dtype} with {self._rows.ndim} dimensions.",
                remedy="give a two-dimensional array of floats, one row for each item.",
            )

    def add(self, item: Item) -> None:
        """Do nothing: the file holds all vectors."""

    def for_items(self, count: int) -> Floats:
        """Return the rows of the file, scaled to length one."""
        if len(self._rows) != count:
            raise TreeError(
                f"{self.path} has {len(self._rows):,} vectors, the catalog {count:,} items.",
                detail="Nothing was written.",
                remedy="one vector for each item, in catalog order.",
            )
        shape = (count, self._rows.shape[1])
        return _finite_unit_rows(self._parts(count), shape, str(self.path))

    def _parts(self, count: int) -> Iterator[NDArray[np.floating]]:
        for first in range(0, count, ROWS_AT_ONCE):
            # The file is opened again for each part, so that what was read leaves memory.
            rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
            yield rows[first : first + ROWS_AT_ONCE]


def _refuse_broken_zip(path: Path) -> None:
    """Raise the error for a broken zip; NumPy would raise it too, but leave the file open."""
    with path.open("rb") as file:
        head = file.read(2)
    if head == b"PK" and not is_zipfile(path):
        raise BadZipFile


def _reason(path: Path, error: Exception) -> str:
    """Return why a file holds no array, as a clause."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with path.open("rb") as file:
        head = file.read(len(NPY_MAGIC))
    if not head:
        return "it is empty"
    if head != NPY_MAGIC and not head.startswith(b"PK"):
        return "it is not a NumPy file"
    if "Python objects" in str(error):
        return "it holds Python objects, not numbers"
    return "it is damaged or incomplete"


class EmbeddedVectors:
    """Vectors of the text of items, embedded in batches while the catalog streams by."""

    def __init__(self, model: str, embed: Embed) -> None:
        self.model = model
        self._embed = embed
        self._waiting: list[str] = []
        self._rows: list[Floats] = []

    def add(self, item: Item) -> None:
        """Queue the next item, and embed a batch once it is full."""
        self._waiting.append(embedded_text(item))
        if len(self._waiting) >= EMBED_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            vectors = self._embed(self._waiting)
            lengths = sorted({len(vector) for vector in vectors})
            if len(vectors) != len(self._waiting) or len(lengths) != 1 or not lengths[0]:
                raise TreeError(
                    f"{self.model!r} gave {len(vectors)} vectors of lengths {lengths} "
                    f"for {len(self._waiting)} texts.",
                    detail="Nothing was written.",
                    remedy="check that it is an embedding model.",
                )
            self._rows.append(np.array(vectors, np.float32))
            self._waiting = []

    def for_items(self, count: int) -> Floats:
        """Return the vectors of all items that were added."""
        self._flush()
        lengths = sorted({rows.shape[1] for rows in self._rows})
        if len(lengths) != 1 or sum(map(len, self._rows)) != count:
            raise TreeError(
                f"the embeddings of {self.model!r} do not fit: "
                f"{sum(map(len, self._rows)):,} vectors for {count:,} items, lengths {lengths}.",
                detail="Nothing was written.",
            )
        shape = (count, lengths[0])
        return _finite_unit_rows(self._rows, shape, f"the embeddings of {self.model!r}")


def _finite_unit_rows(
    parts: Iterable[NDArray[np.floating]], shape: tuple[int, int], source: str
) -> Floats:
    """Return the rows scaled to length one.

    Raises:
        TreeError: one of them has a value that single precision cannot represent.
    """
    rows = _empty_rows(shape)
    first = 0
    for part in parts:
        # Values beyond single precision become infinite and are reported.
        with np.errstate(over="ignore"):
            singles = np.asarray(part, np.float32)
            is_broken = ~np.isfinite(np.square(singles).sum(axis=1))
        if is_broken.any():
            raise TreeError(
                f"{source}: row {first + int(np.argmax(is_broken))} holds a value that is not a "
                "number or is too large.",
                detail="Nothing was written.",
            )
        rows[first : first + len(singles)] = unit_rows(singles)
        first += len(singles)
    return rows


def _empty_rows(shape: tuple[int, int]) -> Floats:
    """Return an array to fill; a large one is mapped to a file that processes can share."""
    if shape[0] * shape[1] < MIN_VALUES_IN_A_FILE:
        return np.empty(shape, np.float32)
    try:
        handle, path = tempfile.mkstemp(prefix="unillmrec-", suffix=".npy")
        os.close(handle)
        rows = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        weakref.finalize(rows, _remove, path)
        _allocate(path)
    except OSError as error:
        raise TreeError(
            f"there is no room for {shape[0]:,} vectors in {tempfile.gettempdir()}: "
            f"{error.strerror or error}.",
            detail="Nothing was written.",
            remedy="free space there, or set TMPDIR to another folder.",
        ) from error
    return rows


def _allocate(path: str) -> None:
    """Allocate a file on the disk: writing to a mapped file on a full disk kills the process."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def embedded_text(item: Item) -> str:
    """Return the text of an item that is embedded."""
    named = [
        " ".join(value) if isinstance(value, tuple) else value
        for value in item.attributes.values()
        if isinstance(value, str | tuple)
    ]
    parts = [item.title, " ".join(item.path), *named, item.text]
    return ". ".join(part for part in parts if part)[:EMBED_CHARACTERS]
