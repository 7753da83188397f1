"""The progress of a batch, in a small SQLite file beside its output.

Everything that was paid for is written here first: the replies for people in work, and the output
lines of people who are done. A run that is killed at any time can resume from it. The file is
deleted when the output is complete.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from unillmrec.endpoint import Reply
from unillmrec.endpoint.wrappers.serialization import decode_reply, encode_reply, usage_to_plain
from unillmrec.errors import BatchError
from unillmrec.system.sqlite import FileKind, open_to_write, script, transaction
from unillmrec.usage import Bill, Stage, Usage

SUFFIX = ".batch"
# A file beside the journal, for the replies to workers in other processes.
REPLIES_SUFFIX = ".answers"

RowStatus: TypeAlias = Literal["done", "skipped"]

# Journals that already have these tables may have no layout number.
_CREATE = """
CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcome (came INTEGER PRIMARY KEY,
    line INTEGER NOT NULL UNIQUE, kind TEXT NOT NULL, id TEXT NOT NULL,
    text TEXT NOT NULL, usage TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS answer (number INTEGER PRIMARY KEY,
    line INTEGER NOT NULL, stage TEXT NOT NULL, digest BLOB NOT NULL, reply TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS answer_by_line ON answer (line);
"""
# "ULMB"
FILE = FileKind(0x554C4D42, (script(_CREATE),))

# The name in `about` of the number of requests for settled rows.
REQUESTS = "requests"
_ADD_REQUESTS = (
    "INSERT INTO about VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
# A reply with saved but no paid calls came from a cache: no request was sent.
_COUNT_REQUESTS = (
    "SELECT coalesce(sum(CASE WHEN json_extract(reply, '$.usage.calls') = 0"
    " AND json_extract(reply, '$.saved.calls') > 0 THEN 0 ELSE"
    " 1 + json_extract(reply, '$.retries') + json_extract(reply, '$.refused') END), 0) FROM answer"
)


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A row of the input that has no recommendations, and why."""

    line: int
    id: str
    problem: str


class Journal:
    """The journal of one batch. One process has it open; several of its threads may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = open_to_write(path, FILE, timeout=1.0, exclusive=True)
        except sqlite3.OperationalError as error:
            raise _operational_error(path, error) from error
        except sqlite3.DatabaseError as error:
            raise BatchError(
                f"{path} is not the journal of a batch: {error}.",
                remedy="remove it, or another -o.",
            ) from error
        self.about: dict[str, object] = {
            name: json.loads(value) for name, value in self._rows("SELECT * FROM about")
        }

    @property
    def replies_path(self) -> Path:
        """The file into which workers in other processes have their replies written."""
        return self.path.with_name(self.path.name + REPLIES_SUFFIX)

    def close(self) -> None:
        """Close the file; later replies are lost."""
        with self._lock:
            self._db.close()

    def delete(self) -> None:
        """Close the file, and delete it with the files beside it."""
        self.close()
        for suffix in ("", "-wal", "-shm", REPLIES_SUFFIX):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete everything, replies to other processes included."""
        with self._transaction():
            for table in ("about", "person", "outcome", "answer"):
                self._db.execute(f"DELETE FROM {table}")
        self.replies_path.unlink(missing_ok=True)
        self.about = {}

    def start(self, about: Mapping[str, object]) -> None:
        """Write what the batch is about, before anything is done."""
        self.about = dict(about)
        pairs = [(name, json.dumps(value)) for name, value in about.items()]
        with self._transaction():
            self._db.executemany("INSERT INTO about VALUES (?, ?)", pairs)

    # People

    def first_lines(self, people: Sequence[tuple[str, int]]) -> dict[str, int]:
        """Add ids with their lines, and return the first line of each id in any run."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO person VALUES (?, ?)", people)
        ids = json.dumps([person_id for person_id, _ in people])
        query = "SELECT id, line FROM person WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._rows(query, (ids,)))

    def settled(self, lines: Sequence[int]) -> set[int]:
        """Return those of *lines* that are done or skipped."""
        query = "SELECT line FROM outcome WHERE line IN (SELECT value FROM json_each(?))"
        return {line for (line,) in self._rows(query, (json.dumps(list(lines)),))}

    def settle_done(self, line: int, id: str, text: str, usage: Mapping[Stage, Usage]) -> None:
        """Store the output line of a row, and delete the replies that led to it."""
        self._settle(line, "done", id, text, usage)

    def settle_skipped(self, row: FailedRow) -> None:
        """Store why a row cannot be used, and delete its replies."""
        self._settle(row.line, "skipped", row.id, row.problem, {})

    def _settle(
        self, line: int, status: RowStatus, id: str, text: str, usage: Mapping[Stage, Usage]
    ) -> None:
        plain = {str(stage): usage_to_plain(each) for stage, each in usage.items()}
        row = (line, status, id, text, json.dumps(plain))
        with self._transaction():
            self._db.execute("INSERT INTO outcome VALUES (NULL, ?, ?, ?, ?, ?)", row)
            count = self._db.execute(f"{_COUNT_REQUESTS} WHERE line = ?", (line,)).fetchone()
            self._db.execute(_ADD_REQUESTS, (REQUESTS, count[0]))
            self._db.execute("DELETE FROM answer WHERE line = ?", (line,))

    def is_empty(self) -> bool:
        """Return whether nobody is done and no reply was paid for."""
        done = "SELECT 1 FROM outcome WHERE kind = 'done'"
        paid = "SELECT 1 FROM answer WHERE json_extract(reply, '$.usage.calls') > 0"
        query = f"SELECT NOT EXISTS ({done}) AND NOT EXISTS ({paid})"
        with self._lock, suppress(sqlite3.ProgrammingError):
            return bool(self._db.execute(query).fetchone()[0])
        # It is closed, which happens only when the batch is complete.
        return True

    def count(self, status: RowStatus) -> int:
        """Return the number of rows with this status."""
        ((count,),) = self._rows("SELECT count(*) FROM outcome WHERE kind = ?", (status,))
        return int(count)

    def lines(self, *, unordered: bool) -> Iterator[str]:
        """Yield the output lines in the order of the input, or as they were finished."""
        order = "came" if unordered else "line"
        query = f"SELECT text FROM outcome WHERE kind = 'done' ORDER BY {order}"
        with self._lock:
            for (text,) in self._db.execute(query):
                yield text

    def skipped(self) -> Iterator[FailedRow]:
        """Yield the skipped rows in the order of the input."""
        query = "SELECT line, id, text FROM outcome WHERE kind = 'skipped' ORDER BY line"
        for row in self._rows(query):
            yield FailedRow(*row)

    # Replies

    def add_reply(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Store the reply to a request for a row; do nothing once the journal is closed."""
        row = (line, str(stage), digest, encode_reply(reply))
        with self._lock, _unless_closed(), self._errors():
            self._db.execute("INSERT INTO answer VALUES (NULL, ?, ?, ?, ?)", row)

    def replies(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return the replies for a row in their order, with the digests of the requests."""
        query = "SELECT digest, reply FROM answer WHERE line = ? ORDER BY number"
        return [(digest, decode_reply(reply)) for digest, reply in self._rows(query, (line,))]

    def call_slot(self) -> AbstractContextManager[None]:
        """Let a call begin at once: in one process, the endpoint limits the calls."""
        return nullcontext()

    def import_replies(self) -> None:
        """Move the replies that other processes wrote from their file into the journal."""
        if not self.replies_path.exists():
            return
        known = "SELECT 1 FROM answer WHERE line = ? AND digest = ? AND reply = ?"
        settled = "SELECT 1 FROM outcome WHERE line = ?"
        with self._transaction(), self.replies_path.open(encoding="utf-8") as file:
            for text in file:
                # The last line is incomplete if its writer was killed.
                if not text.endswith("\n"):
                    break
                line, stage, digest, reply = json.loads(text)
                row = (line, stage, bytes.fromhex(digest), reply)
                self._db.execute(
                    "INSERT INTO answer (line, stage, digest, reply) SELECT ?, ?, ?, ?"
                    f" WHERE NOT EXISTS ({known}) AND NOT EXISTS ({settled})",
                    (*row, line, row[2], reply, line),
                )
        self.replies_path.unlink()

    def bill(self) -> Bill:
        """Return the cost of all runs together."""
        bill = Bill()
        with self._lock:
            for (text,) in self._db.execute("SELECT usage FROM outcome WHERE usage != '{}'"):
                for stage, counts in json.loads(text).items():
                    bill.add(Stage(stage), Usage(**counts))
            for stage, text in self._db.execute("SELECT stage, reply FROM answer"):
                # Failed calls that cost nothing are stored only to be counted as requests.
                if (usage := decode_reply(text).usage).calls:
                    bill.add(Stage(stage), usage)
        return bill

    def requests(self) -> int:
        """Return the number of requests sent in all runs, retries and refusals included."""
        settled = self._rows("SELECT value FROM about WHERE name = ?", (REQUESTS,))
        ((pending,),) = self._rows(_COUNT_REQUESTS)
        return int(settled[0][0] if settled else 0) + int(pending)

    def _rows(self, query: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._errors():
            return self._db.execute(query, tuple(values)).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._errors(), transaction(self._db):
            yield

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _operational_error(self.path, error) from error


def _operational_error(path: Path, error: sqlite3.OperationalError) -> BatchError:
    """Return why the journal cannot be used now."""
    if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BatchError(
            f"{path} is in use: {error}.",
            detail="Another run of the same batch may be in progress.",
            remedy="wait for it, or another -o.",
        )
    return BatchError(
        f"{path} cannot be written: {error}.",
        detail="Its content is not lost.",
        remedy="free some space, and the same command again.",
    )


@contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError as error:
        # A call that was in flight when the run was interrupted.
        if "closed" not in str(error):
            raise
