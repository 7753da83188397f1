"""The folder a sharded build works in: files that are whole or not there, and their markers."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unillmrec.errors import StoreError
from unillmrec.items import Item

Array = NDArray[Any]

# ASCII only: half a surrogate pair must survive until the store can complain about it.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class WorkFolder:
    """Files by name; each is written beside its place and then put there in one step.

    A piece of work is finished when its marker is there, which comes after all of its files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def marker(self, name: str) -> dict[str, Any] | None:
        """Return what the marker of *name* says, or None if the work is not finished."""
        try:
            content: dict[str, Any] = json.loads((self.path / f"{name}.done").read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self.damaged(name) from error
        return content

    def needed(self, name: str) -> dict[str, Any]:
        """Return what the marker of *name* says; it must be there."""
        content = self.marker(name)
        if content is None:
            raise StoreError(
                f"{self.path} has no finished {name!r}.",
                detail="Somebody removed files from it, or another machine does not see them.",
                remedy="a --work folder that all workers share, or an empty one.",
            )
        return content

    def finish(self, name: str, content: dict[str, Any]) -> None:
        """Write the marker of *name*."""
        with self.writing(f"{name}.done") as file:
            file.write(_encode(content).encode())

    @contextmanager
    def writing(self, name: str) -> Iterator[BinaryIO]:
        """Give a file that takes its place once it is whole and on the disk."""
        beside = self.path / f".{name}.{os.getpid()}.part"
        try:
            with beside.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path / name)
        finally:
            beside.unlink(missing_ok=True)

    def reading(self, name: str) -> BinaryIO:
        """Open a file."""
        return (self.path / name).open("rb")

    def damaged(self, name: str) -> StoreError:
        """Return the error for a file that is not what was written."""
        return StoreError(
            f"{self.path / name} is damaged.",
            remedy="an empty --work folder; the build begins anew there.",
        )


def numbered(kind: str, number: int) -> str:
    """Return the name of one of many pieces of work."""
    return f"{kind}-{number:05}"


def digest_of(*parts: object) -> str:
    """Return what tells inputs and options apart from others."""
    return hashlib.blake2b(_encode(parts).encode(), digest_size=16).hexdigest()


def write_arrays(file: BinaryIO, arrays: Iterable[Array]) -> None:
    """Write arrays one after the other."""
    for array in arrays:
        np.save(file, array, allow_pickle=False)


def read_arrays(file: BinaryIO, count: int) -> list[Array]:
    """Read the next *count* arrays."""
    return [np.load(file, allow_pickle=False) for _ in range(count)]


def item_line(item: Item) -> bytes:
    """Return an item as a line of a slice."""
    return (
        _encode((item.id, item.title, item.text, item.path, dict(item.attributes))).encode() + b"\n"
    )


def read_items(file: BinaryIO) -> Iterator[Item]:
    """Yield the items of a slice."""
    for line in file:
        item_id, title, text, path, attributes = json.loads(line)
        yield Item(
            item_id,
            title,
            text,
            tuple(path),
            {
                name: tuple(value) if isinstance(value, list) else value
                for name, value in attributes.items()
            },
        )


def packed_texts(texts: Iterable[str]) -> tuple[Array, Array]:
    """Return texts as bytes, and where each ends."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def unpacked_texts(packed: Array, ends: Array) -> list[str]:
    """Return the texts that `packed_texts` packed."""
    joined = packed.tobytes()
    bounds = [0, *ends.tolist()]
    return [joined[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(bounds)]
