"""Cache replies in a SQLite file, so that no request is paid for twice."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unillmrec.budget import Reservation
from unillmrec.endpoint.contract import Endpoint, Reply, Request
from unillmrec.endpoint.wrappers.serialization import (
    decode_reply,
    digest,
    encode_reply,
    request_to_plain,
)
from unillmrec.errors import SettingsError
from unillmrec.events import Event, logger
from unillmrec.system.sqlite import (
    FileKind,
    ForeignFileError,
    NewerLayoutError,
    open_to_write,
    script,
)
from unillmrec.usage import Bill, Usage

BUSY_SECONDS = 5.0
MOST_BYTES = 512 * 1024 * 1024
# The size is checked once per so many new replies; a file that is too large loses an eighth.
_CHECK_EVERY = 200
_EVICTED_SHARE = 8
_CREATE = """CREATE TABLE answer (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, reply TEXT NOT NULL, used INTEGER NOT NULL)"""
# "ULMC"
FILE = FileKind(0x554C4D43, (script(_CREATE),))
_LOG = logger("endpoint")


class AnswerCache:
    """A cache file; several threads and processes may use it at the same time.

    It holds replies and digests of requests, but neither prompts nor keys. Beyond *most_bytes*
    the least recently used replies are deleted. *warn* is called, once, when the file cannot be
    used any longer.

    Raises:
        SettingsError: the file cannot be opened, or is not a cache.
    """

    def __init__(
        self, path: Path, warn: Callable[[str], None], most_bytes: int = MOST_BYTES
    ) -> None:
        self.path = path
        self._warn = warn
        self._most_bytes = most_bytes
        self._added = 0
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = _open(path)

    def get(self, key: str) -> Reply | None:
        """Return the reply stored under *key*, if there is one."""
        rows = self._execute("SELECT reply, used FROM answer WHERE key = ?", key)
        if not rows:
            return None
        text, used = rows[0]
        if used != _today():
            self._execute("UPDATE answer SET used = ? WHERE key = ?", _today(), key)
        return decode_reply(text)

    def put(self, key: str, stage: str, reply: Reply) -> None:
        """Store *reply*, unless there is one under *key* already."""
        row = (key, stage, encode_reply(reply), _today())
        self._execute("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)", *row)
        self._added += 1
        if self._added % _CHECK_EVERY == 1:
            self._evict()

    def close(self) -> None:
        """Close the file; later requests are neither found nor stored."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def _evict(self) -> None:
        while self._size() > self._most_bytes:
            self._execute(
                "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY used, rowid"
                f" LIMIT (SELECT count(*) / {_EVICTED_SHARE} + 1 FROM answer))"
            )

    def _size(self) -> int:
        """Return how many bytes of the file are in use."""
        pages, free, size = (
            self._execute(f"PRAGMA {name}")
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages[0][0] - free[0][0]) * size[0][0] if pages and free and size else 0

    def _execute(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._db is None:
                return []
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                # A cache saves money; a broken one must not end a run that is under way.
                self._warn(f"Answers are not cached any more: {self.path}: {error}.")
                self._db.close()
                self._db = None
                return []


class CachedEndpoint:
    """Answer from *cache* where possible, and ask *endpoint* otherwise.

    *identity* is everything but the request that determines the answer: address, model,
    parameters. A cached reply has zero usage; what it would have cost is in `Reply.saved`, and
    adds up in *saved*. Errors are not cached. When several threads send the same request at the
    same time, one calls the endpoint and the others wait for its reply.
    """

    def __init__(
        self, endpoint: Endpoint, cache: AnswerCache, identity: Mapping[str, object]
    ) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self.saved = Bill()
        self.hits = 0
        self.misses = 0
        self._endpoint = endpoint
        self._cache = cache
        self._identity = identity
        self._in_flight: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        """Return the cached reply, or call the endpoint and cache its reply."""
        key = digest({"endpoint": self._identity, "request": request_to_plain(request)})
        while True:
            reply = self._cache.get(key)
            if reply is not None:
                return self._hit(request, reply)
            with self._lock:
                other = self._in_flight.get(key)
                if other is None:
                    self._in_flight[key] = threading.Event()
            if other is None:
                return self._ask(key, request)
            if not _wait_for(other, request.reservation):
                # The deadline is over, and the endpoint raises the error that says so.
                return self._endpoint.complete(request)

    def _ask(self, key: str, request: Request) -> Reply:
        try:
            # Another thread may have stored the reply since the first look.
            reply = self._cache.get(key)
            if reply is not None:
                return self._hit(request, reply)
            reply = self._endpoint.complete(request)
            self._cache.put(key, str(request.stage), reply)
            with self._lock:
                self.misses += 1
            return reply
        finally:
            with self._lock:
                self._in_flight.pop(key).set()

    def _hit(self, request: Request, reply: Reply) -> Reply:
        with self._lock:
            self.hits += 1
        self.saved.add(request.stage, reply.usage)
        _LOG.info(Event("cached", stage=request.stage, model=self.model))
        return replace(reply, usage=Usage(), saved=reply.usage, seconds=0.0, retries=0, refused=0)


def _wait_for(other: threading.Event, reservation: Reservation | None) -> bool:
    """Wait until another thread has its reply; return False if the deadline came first."""
    if reservation is None:
        return other.wait()
    left = reservation.seconds_left
    # That thread may itself be waiting for budget that calls in flight give back.
    with reservation.paused():
        return other.wait(left if left is None else min(left, threading.TIMEOUT_MAX))


def _today() -> int:
    return int(time.time() // 86_400)


def _open(path: Path) -> sqlite3.Connection:
    try:
        return open_to_write(path, FILE, timeout=BUSY_SECONDS)
    except (ForeignFileError, NewerLayoutError) as error:
        raise SettingsError(
            f"{path} is not a cache of answers that this version can read.",
            remedy="another --cache; the file is created if it does not exist.",
        ) from error
    except sqlite3.Error as error:
        raise SettingsError(
            f"the cache {path} cannot be used: {error}.", remedy="another --cache."
        ) from error
