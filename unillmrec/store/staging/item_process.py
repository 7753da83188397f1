"""Write items in a second process while this one builds the tree above them."""

from __future__ import annotations

import json
import marshal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from queue import Queue
from threading import Thread
from typing import TYPE_CHECKING

from unillmrec.errors import StoreError
from unillmrec.items import ItemFields
from unillmrec.store.staging.item_writer import ItemWriter
from unillmrec.store.staging.staging import connect_staged
from unillmrec.system.processes import module_command, worker_environment

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unillmrec.tree.vectors import PackedRows

# Enough queued batches that neither process waits for a short delay of the other.
QUEUE_SIZE = 4
_encode = json.JSONEncoder(ensure_ascii=False).encode
# The last message; input that ends without it comes from a sender that was killed.
_END = "end"


class ItemProcess:
    """A second process that writes into the staged file *path* until `finish`.

    It has the methods of `ItemWriter`. Meanwhile no other process may write to the file.
    """

    def __init__(self, path: Path, first: int) -> None:
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed by `stop`)
        self._process = subprocess.Popen(
            module_command(__name__, str(path), str(first)),
            env=worker_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._broken = False
        self._queue: Queue[Iterable[bytes] | None] = Queue(QUEUE_SIZE)
        self._sender = Thread(target=self._send, daemon=True)
        self._sender.start()

    def write(self, items: ItemFields) -> None:
        """Send the next items.

        Raises:
            StoreError, sqlite3.Error: something sent before could not be written.
        """
        self._put([_message("items", _packed(items))])

    def index_ids(self) -> None:
        """Request the index of ids; `finish` raises if two items have the same id."""
        self._put([_message("ids")])

    def add_vectors(self, first: int, parts: Iterable[PackedRows]) -> None:
        """Send vectors. The sending thread packs them, one part at a time."""
        self._put(_messages(first, parts))

    def set_leaves(self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None) -> None:
        """Send the leaf, and the popularity if given, of each item."""
        arrays = [leaves] if priors is None else [leaves, priors]
        self._put([_message("leaves", *(array.tobytes() for array in arrays))])

    def _put(self, messages: Iterable[bytes]) -> None:
        if self._broken:
            self._fail()
        self._queue.put(messages)

    def finish(self) -> None:
        """Wait until everything is in the file.

        Raises:
            StoreError, sqlite3.Error: it could not be written.
        """
        self._queue.put([_message(_END)])
        self._queue.put(None)
        self._sender.join()
        if self._process.wait():
            self._fail()

    def stop(self) -> None:
        """Kill the process, finished or not."""
        self._process.kill()
        self._process.wait()
        if self._sender.is_alive():
            self._queue.put(None)
            self._sender.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _send(self) -> None:
        """Send what is queued. After a failure, go on emptying the queue: `put` may be waiting."""
        stream = self._process.stdin
        assert stream is not None
        try:
            while (messages := self._queue.get()) is not None:
                try:
                    if not self._broken:
                        stream.writelines(messages)
                except OSError:
                    self._broken = True
        finally:
            # Closing flushes, which fails when the process is gone.
            with suppress(OSError):
                stream.close()

    def _fail(self) -> None:
        """Raise the error that the process reported, or one about how it ended."""
        assert self._process.stdout is not None
        code = self._process.wait()
        report = self._process.stdout.read()
        if report:
            kind, *parts = json.loads(report)
            if kind == "sqlite":
                raise sqlite3.OperationalError(*parts)
            raise StoreError(parts[0], detail=parts[1], remedy=parts[2])
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        raise StoreError(
            f"the process that writes the items ended with code {code}.",
            detail=lines[-1] if lines else "It left no message.",
            remedy="--workers 1, and check the free memory.",
        )


_PLAIN_TYPES = frozenset({str, int, float, bool, tuple})


def _packed(items: ItemFields) -> bytes:
    """Serialize items for the other process, which runs this very program.

    `marshal` takes half the time of JSON, but it knows plain types only, and reads numpy strings
    as bytes; others go through JSON first. Version 2, because later ones look for repeated
    objects, which doubles the time.
    """
    return marshal.dumps(tuple(items) if _has_plain_types(items) else json.loads(_encode(items)), 2)


def _has_plain_types(items: ItemFields) -> bool:
    """Return whether all values have Python's own types, and none a subclass of them."""
    values = [value for each in items.attributes for value in each.values()]
    tags = chain.from_iterable(value for value in values if isinstance(value, tuple))
    texts = chain(
        *(items.ids, items.titles, items.texts),
        *(chain.from_iterable(items.paths), chain.from_iterable(items.attributes), tags),
    )
    return set(map(type, texts)) <= {str} and set(map(type, values)) <= _PLAIN_TYPES


def _message(kind: str, *parts: bytes, first: int = 0) -> bytes:
    """Return a header line with the kind and the sizes of the parts, followed by the parts."""
    return b"".join([_encode([kind, first, *map(len, parts)]).encode(), b"\n", *parts])


def _messages(first: int, parts: Iterable[PackedRows]) -> Iterator[bytes]:
    for part in parts:
        yield _message("vectors", part.ends.tobytes(), part.packed, first=first)
        first += len(part.ends)


def write_items(path: Path, first: int) -> int:
    """Write the messages from standard input into *path*; return the exit code."""
    db = connect_staged(path)
    db.execute("BEGIN")
    writer = ItemWriter(db, first)
    with open(sys.stdin.fileno(), "rb", 1 << 20, closefd=False) as stream:
        while line := stream.readline():
            kind, first, *sizes = json.loads(line)
            if kind == _END:
                db.execute("COMMIT")
                db.close()
                return 0
            _write(writer, kind, first, [stream.read(size) for size in sizes])
    return 1


def _write(writer: ItemWriter, kind: str, first: int, parts: list[bytes]) -> None:
    """Write the contents of one message."""
    import numpy as np

    from unillmrec.tree.vectors import PackedRows

    if kind == "items":
        writer.write(ItemFields(*marshal.loads(parts[0])))
    elif kind == "ids":
        writer.index_ids()
    elif kind == "vectors":
        writer.add_vectors(first, [PackedRows(parts[1], np.frombuffer(parts[0], np.int64))])
    else:
        priors = np.frombuffer(parts[1], np.float64) if len(parts) > 1 else None
        writer.set_leaves(np.frombuffer(parts[0], np.int64), priors)


def _main() -> None:
    try:
        code = write_items(Path(sys.argv[1]), int(sys.argv[2]))
    except StoreError as error:
        sys.stdout.write(json.dumps(["store", error.problem, error.detail, error.remedy]))
        code = 1
    except sqlite3.Error as error:
        sys.stdout.write(json.dumps(["sqlite", str(error)]))
        code = 1
    raise SystemExit(code)


if __name__ == "__main__":
    _main()
