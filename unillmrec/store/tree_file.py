"""The connection to a tree file: queries, snapshots, cached reads and facts about the tree."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from unillmrec.store.decoding import Facts, check_types, read_error
from unillmrec.store.files import connect_to_read
from unillmrec.store.read_cache import Key, ReadCache, Value
from unillmrec.system.sqlite import closed_on_error
from unillmrec.system.untrusted_json import replace_surrogates

IN_LIST = "IN (SELECT value FROM json_each(?))"


def sql_list(values: Sequence[int] | Sequence[str]) -> str:
    """Return the one parameter of `IN_LIST`, for any number of values."""
    return json.dumps(list(values))


class TreeFile:
    """An open tree file. Several threads may share it; their queries run one at a time."""

    # A writer has to see the present state of the file.
    _CACHES_READS = True

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._cache = ReadCache()
        # A connection answers one query at a time; judges of several branches share it.
        self._lock = threading.Lock()
        self._open_snapshots = 0
        self._began_snapshot = False
        with closed_on_error(db):
            self.facts = self._read_facts()

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a tree file to read from it.

        Raises:
            StoreError: it is missing, is no tree file, or is newer than this program.
        """
        path = Path(path)
        return cls(path, connect_to_read(path))

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __len__(self) -> int:
        return int(self.facts["items"])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.path.name}: {len(self):,} items>"

    @property
    def sparse(self) -> bool:
        """Whether vectors are weighted terms; otherwise they came from outside."""
        return bool(self.facts["space"] == "terms")

    @property
    def has_prior(self) -> bool:
        """Whether the tree was built with a popularity attribute."""
        return bool(self.facts.get("popularity"))

    def is_empty(self) -> bool:
        """Return whether no item is stored, also in the middle of a change."""
        return not self.rows("SELECT 1 FROM item LIMIT 1")

    def _read_facts(self) -> dict[str, Any]:
        return Facts(self.path, self.rows("SELECT name, value FROM fact"))

    def fact_now(self, name: str) -> Any:
        """Return a fact as it is in the file now; another process may have changed it."""
        return self._read_facts()[name]

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query, with the types that their columns hold.

        Raises:
            StoreError: the file is damaged, locked or gone.
        """
        columns, rows = self._fetch(query, values)
        if rows:
            check_types(self.path, columns, rows)
        return rows

    def unchecked_rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query as they are, for checks that report what is wrong with them.

        Raises:
            StoreError: the file is damaged, locked or gone.
        """
        return self._fetch(query, values)[1]

    def _fetch(
        self, query: str, values: Sequence[object]
    ) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        try:
            with self._lock:
                cursor = self._db.execute(query, values)
                rows = cursor.fetchall()
        except UnicodeEncodeError:
            # Half a surrogate pair; SQLite can neither have stored nor compare it.
            return self._fetch(query, [replace_surrogates(each) for each in values])
        # The name of a column that is not UTF-8 is a plain Unicode error.
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            raise read_error(self.path, error) from error
        return tuple(each[0] for each in cursor.description or ()), rows

    def cached(
        self,
        kind: str,
        keys: Sequence[Key],
        read: Callable[[list[Key]], Mapping[Key, Value]],
        *,
        limit: int,
    ) -> list[Value]:
        """Return the values of *keys*, calling *read* only for those that are not cached.

        The cache holds up to *limit* values of each kind, until another connection commits.
        """
        if not self._CACHES_READS:
            values = read(list(keys))
            return [values[key] for key in keys]
        ((version,),) = self.rows("PRAGMA data_version")
        return self._cache.get(kind, keys, read, version=version, limit=limit)

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Read one state of the tree throughout the block, whatever others commit meanwhile."""
        with self._lock:
            # A transaction is a snapshot already, and several threads may share one.
            if not self._open_snapshots and not self._db.in_transaction:
                self._begin()
            self._open_snapshots += 1
        try:
            yield
        finally:
            with self._lock:
                self._open_snapshots -= 1
                if self._began_snapshot and not self._open_snapshots:
                    self._began_snapshot = False
                    # A damaged file may have ended the transaction.
                    if self._db.in_transaction:
                        self._db.execute("COMMIT")

    def _begin(self) -> None:
        try:
            self._db.execute("BEGIN")
        except sqlite3.DatabaseError as error:
            raise read_error(self.path, error) from error
        self._began_snapshot = True
