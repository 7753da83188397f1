"""The connection to a tree file: queries, snapshots, cached reads and facts about the tree."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from unillmrec.errors import StoreError
from unillmrec.store.files import connect_to_read
from unillmrec.store.read_cache import Key, ReadCache, Value
from unillmrec.system.untrusted_json import replace_surrogates

IN_LIST = "IN (SELECT value FROM json_each(?))"
CACHED_VECTORS = 20_000


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

    def __exit__(self, *_: object) -> None:
        self.close()

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
        return {name: json.loads(value) for name, value in self.rows("SELECT * FROM fact")}

    def rows(self, query: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of a query.

        Raises:
            StoreError: the file is damaged, locked or gone.
        """
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except UnicodeEncodeError:
            # Half a surrogate pair; SQLite can neither have stored nor compare it.
            return self.rows(query, [replace_surrogates(each) for each in values])
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"{self.path} cannot be read: {error}.",
                remedy="rebuild the tree, or restore the file from a copy.",
            ) from error

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
                self._db.execute("BEGIN")
                self._began_snapshot = True
            self._open_snapshots += 1
        try:
            yield
        finally:
            with self._lock:
                self._open_snapshots -= 1
                if self._began_snapshot and not self._open_snapshots:
                    self._began_snapshot = False
                    self._db.execute("COMMIT")

    def _packed(self, table: str, key: str, wanted: Sequence[int]) -> list[bytes]:
        """Return packed vectors of a table in the order of the *wanted* keys."""

        def read(keys: Sequence[int]) -> dict[int, bytes]:
            query = f"SELECT {key}, packed FROM {table} WHERE {key} {IN_LIST}"
            return dict(self.rows(query, (sql_list(keys),)))

        return self.cached(table, wanted, read, limit=CACHED_VECTORS)
