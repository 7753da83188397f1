"""Answers that were paid for once, kept in a SQLite file and given again for nothing."""

from __future__ import annotations

import json
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
    digest,
    reply_as_plain,
    reply_of,
    request_as_plain,
)
from unillmrec.errors import SettingsError
from unillmrec.events import Event, logger
from unillmrec.usage import Bill, Usage

# "ULMC": what makes the file ours, wherever it is and whatever it is called.
APPLICATION_ID = 0x554C4D43
LAYOUT = 1
BUSY_SECONDS = 5.0
MOST_BYTES = 512 * 1024 * 1024
# How often, in answers, the size is looked at, and what share goes when it is too large.
_LOOK_EVERY = 200
_SHARE_TO_GO = 8
_CREATE = """CREATE TABLE answer (
    key TEXT PRIMARY KEY, stage TEXT NOT NULL, reply TEXT NOT NULL, used INTEGER NOT NULL)"""
_LOG = logger("endpoint")


class AnswerCache:
    """The file. Several threads and processes may use it at the same time.

    It holds answers and digests of what was asked, neither prompts nor keys. Beyond
    *most_bytes* the answers go that were not used for longest. *warn* is told, once, if it
    cannot be written any more.

    Raises:
        SettingsError: the file cannot be opened, or is none of ours.
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

    def find(self, key: str) -> Mapping[str, Any] | None:
        """Return the reply that is kept for *key*, as JSON has it."""
        found = self._do("SELECT reply, used FROM answer WHERE key = ?", key)
        if not found:
            return None
        if found[0][1] != _today():
            self._do("UPDATE answer SET used = ? WHERE key = ?", _today(), key)
        told: Mapping[str, Any] = json.loads(found[0][0])
        return told

    def keep(self, key: str, stage: str, reply: Mapping[str, Any]) -> None:
        """Keep a reply; the first one of two stays."""
        text = json.dumps(reply, ensure_ascii=True, default=dict)
        self._do("INSERT OR IGNORE INTO answer VALUES (?, ?, ?, ?)", key, stage, text, _today())
        self._added += 1
        if self._added % _LOOK_EVERY == 1:
            self._make_room()

    def close(self) -> None:
        """Close the file; later answers are neither found nor kept."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = None

    def _make_room(self) -> None:
        while self._size() > self._most_bytes:
            self._do(
                "DELETE FROM answer WHERE key IN (SELECT key FROM answer ORDER BY used, rowid"
                f" LIMIT (SELECT count(*) / {_SHARE_TO_GO} + 1 FROM answer))"
            )

    def _size(self) -> int:
        """Return how many bytes of the file are in use."""
        pages, free, size = (
            self._do(f"PRAGMA {name}") for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages[0][0] - free[0][0]) * size[0][0] if pages and free and size else 0

    def _do(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            if self._db is None:
                return []
            try:
                return self._db.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                # A cache saves money; trouble with it must not cost a run that is under way.
                self._warn(f"Answers are not cached any more: {self.path}: {error}.")
                self._db.close()
                self._db = None
                return []


class CachedEndpoint:
    """Asks an endpoint only what the cache does not know.

    *identity* is all that makes an answer beside the request: address, model, parameters. An
    answer from the cache has cost nothing; what it would have cost is in `Reply.saved`, and
    summed up in *saved*. Errors are not kept. Of threads that ask the same at the same time,
    one asks and the others wait for its answer.
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
        self._asking: dict[str, threading.Event] = {}
        self._lock = threading.Lock()

    def complete(self, request: Request) -> Reply:
        """Answer from the cache, or ask once and keep the answer."""
        key = digest({"endpoint": self._identity, "request": request_as_plain(request)})
        while True:
            told = self._cache.find(key)
            if told is not None:
                return self._hit(request, told)
            with self._lock:
                other = self._asking.get(key)
                if other is None:
                    self._asking[key] = threading.Event()
            if other is None:
                return self._ask(key, request)
            if not _waited(other, request.ticket):
                # The deadline is over; the endpoint says so in its own words.
                return self._endpoint.complete(request)

    def _ask(self, key: str, request: Request) -> Reply:
        try:
            # Since it was looked for, another thread may have had the answer.
            told = self._cache.find(key)
            if told is not None:
                return self._hit(request, told)
            reply = self._endpoint.complete(request)
            self._cache.keep(key, str(request.stage), reply_as_plain(reply))
            with self._lock:
                self.misses += 1
            return reply
        finally:
            with self._lock:
                self._asking.pop(key).set()

    def _hit(self, request: Request, told: Mapping[str, Any]) -> Reply:
        reply = reply_of(told)
        with self._lock:
            self.hits += 1
        self.saved.add(request.stage, reply.usage)
        _LOG.info(Event("cached", stage=request.stage, model=self.model))
        return replace(reply, usage=Usage(), saved=reply.usage, seconds=0.0, retries=0, refused=0)


def _waited(other: threading.Event, ticket: Reservation | None) -> bool:
    """Wait for another's answer; say whether it came before the deadline."""
    if ticket is None:
        return other.wait()
    left = ticket.seconds_left
    # Whoever is waited for may itself wait for what calls under way give back.
    with ticket.resting():
        return other.wait(left if left is None else min(left, threading.TIMEOUT_MAX))


def _today() -> int:
    return int(time.time() // 86_400)


def _open(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS
        )
        try:
            _prepare(db, path)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise SettingsError(
            f"the cache {path} cannot be used: {error}.", remedy="another --cache."
        ) from error
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    # Two first runs at the same time must not both make the table.
    db.execute("BEGIN IMMEDIATE")
    empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if empty and not _pragma(db, "application_id"):
        db.execute(_CREATE)
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {LAYOUT}")
    db.execute("COMMIT")
    if _pragma(db, "application_id") != APPLICATION_ID or _pragma(db, "user_version") != LAYOUT:
        raise SettingsError(
            f"{path} is no cache of answers that this version can read.",
            remedy="another --cache; a new file is made where there is none.",
        )
    # Losing the last answers in a power cut is cheaper than waiting for the disk after each.
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])
