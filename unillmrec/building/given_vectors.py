"""Vectors that come from elsewhere: a file of them, or an endpoint that embeds text."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
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
# From so many numbers on, the memory that processes share is worth a file.
WORTH_A_FILE = 10_000_000
# What an embedding reads of an item; beyond a few hundred words vectors say nothing more.
EMBED_CHARACTERS = 2_000

ARRAY_BEGINS = b"\x93NUMPY"

Embed = Callable[[Sequence[str]], list[list[float]]]


class GivenVectors(Protocol):
    """One vector for each item, in the order of the catalog."""

    @property
    def model(self) -> str | None:
        """The embedding model they come from, if one is known."""

    def add(self, item: Item) -> None:
        """Take note of the next item."""

    def for_items(self, count: int) -> Floats:
        """Return *count* unit vectors as rows."""


class VectorFile:
    """Vectors from a `.npy` file: two-dimensional, one row for each item."""

    model = None

    def __init__(self, path: str | Path) -> None:
        path = self.path = Path(path)
        try:
            _refuse_broken_zip(path)
            # Without pickles: an array file must not be able to run anything.
            self._rows = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError, EOFError, BadZipFile) as error:
            raise TreeError(
                f"{path} cannot be read as vectors: {_what_is_wrong(path, error)}.",
                remedy="write it with numpy.save(), as a two-dimensional array of floats.",
            ) from error
        if not isinstance(self._rows, np.ndarray):
            self._rows.close()
            raise TreeError(
                f"{path} holds several arrays.",
                remedy="write one of them to a file of its own, with numpy.save().",
            )
        if self._rows.ndim != 2 or self._rows.dtype.kind != "f":
            raise TreeError(
                f"{path} holds an array of {self._rows.dtype} with {self._rows.ndim} dimensions.",
                remedy="give a two-dimensional array of floats, one row for each item.",
            )

    def add(self, item: Item) -> None:
        """Take no note: the file has all there is."""

    def for_items(self, count: int) -> Floats:
        """Return the rows of the file, of length one."""
        if len(self._rows) != count:
            raise TreeError(
                f"{self.path} has {len(self._rows):,} vectors, the catalog {count:,} items.",
                detail="Nothing was written.",
                remedy="one vector for each item, in the order of the catalog.",
            )
        shape = (count, self._rows.shape[1])
        return _finite_unit_rows(self._parts(count), shape, str(self.path))

    def _parts(self, count: int) -> Iterator[NDArray[np.floating]]:
        for first in range(0, count, ROWS_AT_ONCE):
            # Opened anew for each part: what was read of the file would stay in memory.
            rows = np.load(self.path, mmap_mode="r", allow_pickle=False)
            yield rows[first : first + ROWS_AT_ONCE]


def _refuse_broken_zip(path: Path) -> None:
    """Find out what NumPy would find out too, but would leave the file open."""
    with path.open("rb") as file:
        begins = file.read(2)
    if begins == b"PK" and not is_zipfile(path):
        raise BadZipFile


def _what_is_wrong(path: Path, error: Exception) -> str:
    """Say why a file holds no array, in a clause."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, IsADirectoryError):
        return "this is a folder"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    with path.open("rb") as file:
        head = file.read(len(ARRAY_BEGINS))
    if not head:
        return "it is empty"
    if head != ARRAY_BEGINS and not head.startswith(b"PK"):
        return "it is not a file of NumPy"
    if "Python objects" in str(error):
        return "it holds Python objects, not numbers"
    return "it is damaged, or was cut off"


class EmbeddedVectors:
    """Vectors that an endpoint makes of the items' text, asked for as the items stream by."""

    def __init__(self, model: str, embed: Embed) -> None:
        self.model = model
        self._embed = embed
        self._waiting: list[str] = []
        self._rows: list[Floats] = []

    def add(self, item: Item) -> None:
        """Embed the next item, in batches."""
        self._waiting.append(embedded_text(item))
        if len(self._waiting) >= EMBED_BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            answered = self._embed(self._waiting)
            lengths = sorted({len(vector) for vector in answered})
            if len(answered) != len(self._waiting) or len(lengths) != 1 or not lengths[0]:
                raise TreeError(
                    f"{self.model!r} gave {len(answered)} vectors of lengths {lengths} "
                    f"for {len(self._waiting)} texts.",
                    detail="Nothing was written.",
                    remedy="check that it is an embedding model.",
                )
            self._rows.append(np.array(answered, np.float32))
            self._waiting = []

    def for_items(self, count: int) -> Floats:
        """Return the vectors of all items noted so far."""
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
    """Return rows with length one; none may hold what single precision cannot."""
    rows = _room_for(shape)
    first = 0
    for part in parts:
        # What is beyond single precision becomes infinite, and is told.
        with np.errstate(over="ignore"):
            kept = np.asarray(part, np.float32)
            broken = ~np.isfinite(np.square(kept).sum(axis=1))
        if broken.any():
            raise TreeError(
                f"{source}: row {first + int(np.argmax(broken))} holds a value that is not a "
                "number, or too large a one.",
                detail="Nothing was written.",
            )
        rows[first : first + len(kept)] = unit_rows(kept)
        first += len(kept)
    return rows


def _room_for(shape: tuple[int, int]) -> Floats:
    """Return an array to fill; a large one lies in a file, where all processes can share it."""
    if shape[0] * shape[1] < WORTH_A_FILE:
        return np.empty(shape, np.float32)
    try:
        handle, path = tempfile.mkstemp(prefix="unillmrec-", suffix=".npy")
        os.close(handle)
        rows = np.lib.format.open_memmap(path, "w+", np.float32, shape)
        weakref.finalize(rows, _remove, path)
        _take_room(path)
    except OSError as error:
        raise TreeError(
            f"there is no room for {shape[0]:,} vectors in {tempfile.gettempdir()}: "
            f"{error.strerror or error}.",
            detail="Nothing was written.",
            remedy="make room there, or set TMPDIR to another folder.",
        ) from error
    return rows


def _take_room(path: str) -> None:
    """See that all of a file is on the disk: a full one would end the process without a word."""
    if not hasattr(os, "posix_fallocate"):
        return
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, os.path.getsize(path))


def _remove(path: str) -> None:
    with suppress(OSError):
        os.unlink(path)


def embedded_text(item: Item) -> str:
    """Return what an embedding model reads of an item."""
    named = [
        " ".join(value) if isinstance(value, tuple) else value
        for value in item.attributes.values()
        if isinstance(value, str | tuple)
    ]
    parts = [item.title, " ".join(item.path), *named, item.text]
    return ". ".join(part for part in parts if part)[:EMBED_CHARACTERS]
