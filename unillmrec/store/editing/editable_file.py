"""The transaction in which a tree is changed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from unillmrec.errors import StoreError
from unillmrec.store.decoding import is_damage, read_error
from unillmrec.store.files import connect_to_change
from unillmrec.store.item_tree import ItemTree

if TYPE_CHECKING:
    from unillmrec.store.columns.writer import ColumnWriter


class EditableFile(ItemTree):
    """A tree file opened for changes, which happen inside `transaction` only."""

    _CACHES_READS = False

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._columns: ColumnWriter | None = None
        super().__init__(path, db)

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a tree file to change it; an older layout is upgraded first.

        Raises:
            StoreError: it is missing, no tree file, newer than this program, or read-only.
        """
        path = Path(path)
        return cls(path, connect_to_change(path))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all changes made in the block, or none of them if it raises.

        Raises:
            StoreError: the file is locked, or cannot be written.
        """
        self._execute("BEGIN IMMEDIATE")
        try:
            # Another process may have changed the tree since the facts were read.
            self.facts = self._read_facts()
            yield
            self._flush_columns()
            self._write_facts()
            self._execute("COMMIT")
        except BaseException:
            # A full disk ends a transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.facts = self._read_facts()
            raise
        finally:
            # It remembers what it wrote, which may have been rolled back.
            self._columns = None

    def version(self) -> int:
        """Return a number that changes when another connection has changed the file."""
        ((version,),) = self.rows("PRAGMA data_version")
        return int(version)

    def take_numbers(self, kind: str, count: int) -> range:
        """Reserve *count* numbers for new nodes, items or terms; none is ever used again."""
        first = int(self.facts[f"next_{kind}"])
        self.facts[f"next_{kind}"] = first + count
        return range(first, first + count)

    def _column_writer(self) -> ColumnWriter:
        """Return the column writer of this transaction."""
        if self._columns is None:
            from unillmrec.store.columns.writer import ColumnWriter

            self._columns = ColumnWriter(self._db)
        return self._columns

    def _flush_columns(self) -> None:
        if self._columns is not None:
            with self._storing():
                self._columns.flush()

    def _write_facts(self) -> None:
        self._execute_many(
            "INSERT INTO fact VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE value != excluded.value",
            [(name, json.dumps(value, ensure_ascii=False)) for name, value in self.facts.items()],
        )

    def _execute(self, statement: str, values: Sequence[object] = ()) -> None:
        with self._storing():
            self._db.execute(statement, values)

    def _execute_many(self, statement: str, rows: Iterable[Sequence[object]]) -> None:
        with self._storing():
            self._db.executemany(statement, rows)

    @contextmanager
    def _storing(self) -> Iterator[None]:
        """Turn errors of SQLite into a `StoreError` with a remedy."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                raise read_error(self.path, error) from error
            raise _change_error(self.path, error) from error
        except (sqlite3.Error, UnicodeEncodeError) as error:
            raise _change_error(self.path, error) from error


def _change_error(path: Path, error: sqlite3.Error | UnicodeEncodeError) -> StoreError:
    reason, remedy = str(error), "check the free space and the permissions of the file."
    if isinstance(error, UnicodeEncodeError):
        reason = f"an item holds half a surrogate pair, in {error.object[:80]!r}"
        remedy = "remove it from the catalog."
    if "locked" in reason or "busy" in reason:
        reason, remedy = "another process is changing it", "wait until that one is done."
    return StoreError(
        f"{path} cannot be changed: {reason}.", detail="Nothing was changed.", remedy=remedy
    )
