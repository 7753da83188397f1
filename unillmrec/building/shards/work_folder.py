"""The work folder of a sharded build: files written atomically, and markers of finished work."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
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

# ASCII only: half a surrogate pair must survive until the store can report it.
_encode = json.JSONEncoder(separators=(",", ":")).encode


class WorkFolder:
    """Named files, each of which is complete or absent.

    A piece of work is finished once its marker exists, which is written after all of its files.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find_marker(self, name: str) -> dict[str, Any] | None:
        """Return the content of a marker, or None if that work is not finished."""
        try:
            content: dict[str, Any] = json.loads((self.path / f"{name}.done").read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise self._damaged(name) from error
        return content

    def marker(self, name: str) -> dict[str, Any]:
        """Return the content of the marker of finished work.

        Raises:
            StoreError: it is missing or damaged.
        """
        content = self.find_marker(name)
        if content is None:
            raise StoreError(
                f"{self.path} has no finished {name!r}.",
                detail="Its files were removed, or another machine does not see them.",
                remedy="a --work folder that all workers share, or an empty one.",
            )
        return content

    def finish(self, name: str, content: dict[str, Any]) -> None:
        """Write the marker of *name*."""
        with self.open_to_write(f"{name}.done") as file:
            file.write(_encode(content).encode())

    @contextmanager
    def open_to_write(self, name: str) -> Iterator[BinaryIO]:
        """Yield a file that gets its name once it is complete and on the disk."""
        part = self.path / f".{name}.{os.getpid()}.part"
        try:
            with part.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path / name)
        finally:
            part.unlink(missing_ok=True)

    def open_to_read(self, name: str) -> BinaryIO:
        """Open a file."""
        return (self.path / name).open("rb")

    def _damaged(self, name: str) -> StoreError:
        return StoreError(
            f"{self.path / name} is damaged.",
            remedy="an empty --work folder; the build starts over there.",
        )


@contextmanager
def open_work_folder(tree: Path, work: Path | None) -> Iterator[WorkFolder]:
    """Yield the folder *work*, or without one a temporary folder beside the tree file.

    Raises:
        StoreError: it cannot be used, or it filled up.
    """
    try:
        if work is None:
            with tempfile.TemporaryDirectory(prefix=f".{tree.name}.", dir=tree.parent) as folder:
                yield WorkFolder(Path(folder).resolve())
            return
        work.mkdir(parents=True, exist_ok=True)
        yield WorkFolder(work.resolve())
    except OSError as error:
        raise StoreError(
            f"the work folder {work or tree.parent} cannot be used: {error}.",
            detail="Finished work is kept." if work else "Nothing was changed.",
            remedy="check the free space and the permissions of the folder.",
        ) from error


def numbered(kind: str, number: int) -> str:
    """Return the name of one of many pieces of work."""
    return f"{kind}-{number:05}"


def digest_of(*parts: object) -> str:
    """Return a digest of JSON values, such as the options and inputs of a build."""
    return hashlib.blake2b(_encode(parts).encode(), digest_size=16).hexdigest()


def write_arrays(file: BinaryIO, arrays: Iterable[Array]) -> None:
    """Write arrays one after the other."""
    for array in arrays:
        np.save(file, array, allow_pickle=False)


def read_arrays(file: BinaryIO, count: int) -> list[Array]:
    """Read the next *count* arrays."""
    return [np.load(file, allow_pickle=False) for _ in range(count)]


def item_to_line(item: Item) -> bytes:
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


def pack_texts(texts: Iterable[str]) -> tuple[Array, Array]:
    """Return texts as one array of bytes, and the position where each ends."""
    encoded = [text.encode("utf-8", "surrogatepass") for text in texts]
    ends = np.cumsum([len(each) for each in encoded], dtype=np.int64)
    return np.frombuffer(b"".join(encoded), np.uint8), ends


def unpack_texts(packed: Array, ends: Array) -> list[str]:
    """Return the texts that `pack_texts` packed."""
    joined = packed.tobytes()
    bounds = [0, *ends.tolist()]
    return [joined[start:end].decode("utf-8", "surrogatepass") for start, end in pairwise(bounds)]
