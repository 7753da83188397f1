"""Write what there is of each item in a process of its own, while the tree over them is made."""

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
from unillmrec.system.processes import command_of, environment_of_commands

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from unillmrec.store.writer import ItemWriter
    from unillmrec.tree.vectors import PackedRows

# Batches on their way: enough that neither process waits for a short delay of the other.
UNDER_WAY = 4
_encode = json.JSONEncoder(ensure_ascii=False).encode
# Stands for the end; without it, whoever sent them is gone.
_END = "end"


class ItemProcess:
    """Takes items into the staged file *path*, which nobody else writes to until `finish`."""

    def __init__(self, path: Path, first: int) -> None:
        self._errors = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 (closed by `stop`)
        self._process = subprocess.Popen(
            command_of("unillmrec.store.item_process", str(path), str(first)),
            env=environment_of_commands(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
        )
        self._broken = False
        self._under_way: Queue[Iterable[bytes] | None] = Queue(UNDER_WAY)
        self._sender = Thread(target=self._send, daemon=True)
        self._sender.start()

    def write(self, items: ItemFields) -> None:
        """Send items on their way.

        Raises:
            StoreError, sqlite3.Error: what was sent before could not be written.
        """
        self._put([_message("items", _packed(items))])

    def index_ids(self) -> None:
        """Have the index by id written; `finish` raises what stands against it."""
        self._put([_message("ids")])

    def add_vectors(self, first: int, parts: Iterable[PackedRows]) -> None:
        """Send vectors on their way, which are packed when it is their turn."""
        self._put(_messages(first, parts))

    def place(self, leaves: NDArray[np.int64], priors: NDArray[np.float64] | None) -> None:
        """Send the leaf of each item, and its popularity."""
        arrays = [leaves] if priors is None else [leaves, priors]
        self._put([_message("leaves", *(array.tobytes() for array in arrays))])

    def _put(self, messages: Iterable[bytes]) -> None:
        if self._broken:
            self._fail()
        self._under_way.put(messages)

    def finish(self) -> None:
        """Wait until everything is in the file.

        Raises:
            StoreError, sqlite3.Error: it could not be written.
        """
        self._under_way.put([_message(_END)])
        self._under_way.put(None)
        self._sender.join()
        if self._process.wait():
            self._fail()

    def stop(self) -> None:
        """End the process, also in the middle of its work."""
        self._process.kill()
        self._process.wait()
        if self._sender.is_alive():
            self._under_way.put(None)
            self._sender.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._errors.close()

    def _send(self) -> None:
        """Pass on what is put into the queue; afterwards empty it, lest somebody wait for room."""
        stream = self._process.stdin
        assert stream is not None
        try:
            while (messages := self._under_way.get()) is not None:
                try:
                    if not self._broken:
                        stream.writelines(messages)
                except OSError:
                    self._broken = True
        finally:
            # What waited to be written may have nobody to read it any more.
            with suppress(OSError):
                stream.close()

    def _fail(self) -> None:
        assert self._process.stdout is not None
        code = self._process.wait()
        told = self._process.stdout.read()
        if told:
            kind, *said = json.loads(told)
            if kind == "sqlite":
                raise sqlite3.OperationalError(*said)
            raise StoreError(said[0], detail=said[1], remedy=said[2])
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        raise StoreError(
            f"the process that writes the items ended with code {code}.",
            detail=lines[-1] if lines else "It left no message.",
            remedy="--workers 1, and check the free memory.",
        )


_PLAIN = frozenset({str, int, float, bool, tuple})


def _packed(items: ItemFields) -> bytes:
    """Return items for the other process, which is this very program.

    Its own form takes Python half the time of JSON, but knows only the plain types, and takes
    numpy's texts for bytes; its third edition would look for what comes twice, and take twice as
    long.
    """
    return marshal.dumps(tuple(items) if _is_plain(items) else json.loads(_encode(items)), 2)


def _is_plain(items: ItemFields) -> bool:
    """Return whether all values are of Python's own types, and of no type derived from them."""
    values = [value for each in items.attributes for value in each.values()]
    tags = chain.from_iterable(value for value in values if isinstance(value, tuple))
    texts = chain(
        *(items.ids, items.titles, items.texts),
        *(chain.from_iterable(items.paths), chain.from_iterable(items.attributes), tags),
    )
    return set(map(type, texts)) <= {str} and set(map(type, values)) <= _PLAIN


def _message(kind: str, *parts: bytes, first: int = 0) -> bytes:
    """Return a line that says what it is, and the bytes that it announces."""
    return b"".join([_encode([kind, first, *map(len, parts)]).encode(), b"\n", *parts])


def _messages(first: int, parts: Iterable[PackedRows]) -> Iterator[bytes]:
    for part in parts:
        yield _message("vectors", part.ends.tobytes(), part.packed, first=first)
        first += len(part.ends)


def write_items(path: Path, first: int) -> int:
    """Write what comes in on standard input; what the process runs."""
    from unillmrec.store.files import connect_staged
    from unillmrec.store.writer import ItemWriter

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
    """Write what a message holds."""
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
        writer.place(np.frombuffer(parts[0], np.int64), priors)


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
