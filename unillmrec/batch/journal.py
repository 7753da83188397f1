"""What a batch has done so far, in a small SQLite file beside its output.

Everything that was paid for is in it before anything else happens: the answers of people that
are not finished yet, and the lines of those that are. A run that is killed at any time goes on
from it; it is taken away when the output is complete.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from unillmrec.endpoint import Reply
from unillmrec.errors import BatchError
from unillmrec.system.sqlite import FileKind, open_to_write, script
from unillmrec.usage import Bill, Stage, Usage

SUFFIX = ".batch"
# Beside the journal: where workers in other processes have their answers written.
ANSWERS = ".answers"

Kind: TypeAlias = Literal["done", "skipped"]

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

# Beside what the batch is about: how many requests those who are settled took.
REQUESTS = "requests"
_COUNT = (
    "INSERT INTO about VALUES (?, ?)"
    " ON CONFLICT (name) DO UPDATE SET value = value + excluded.value"
)
# An answer that was not paid for came from a cache, if there is what it would have cost.
_SENT = (
    "SELECT coalesce(sum(CASE WHEN json_extract(reply, '$.usage.calls') = 0"
    " AND json_extract(reply, '$.saved.calls') > 0 THEN 0 ELSE"
    " 1 + json_extract(reply, '$.retries') + json_extract(reply, '$.refused') END), 0) FROM answer"
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: the *text* is its line of the output, or why it was skipped."""

    line: int
    id: str
    kind: Kind
    text: str
    usage: Mapping[Stage, Usage]


class Journal:
    """The journal of one batch; one process has it, several of its threads may write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        try:
            self._db = open_to_write(path, FILE, timeout=1.0, exclusive=True)
        except sqlite3.OperationalError as error:
            raise _told(path, error) from error
        except sqlite3.DatabaseError as error:
            raise BatchError(
                f"{path} is not the journal of a batch: {error}.",
                remedy="remove it, or another -o.",
            ) from error
        self.about: dict[str, object] = {
            name: json.loads(value) for name, value in self._rows("SELECT * FROM about")
        }

    def close(self) -> None:
        """Let go of the file; what comes later is not kept."""
        with self._lock:
            self._db.close()

    def empty(self) -> None:
        """Forget everything, what other processes kept included."""
        with self._transaction():
            for table in ("about", "person", "outcome", "answer"):
                self._db.execute(f"DELETE FROM {table}")
        self.path.with_name(self.path.name + ANSWERS).unlink(missing_ok=True)
        self.about = {}

    def begin(self, about: Mapping[str, object]) -> None:
        """Write down what the batch is about, before anything is done."""
        self.about = dict(about)
        pairs = [(name, json.dumps(value)) for name, value in about.items()]
        with self._transaction():
            self._db.executemany("INSERT INTO about VALUES (?, ?)", pairs)

    # People

    def first_lines(self, people: Sequence[tuple[str, int]]) -> dict[str, int]:
        """Return for ids the lines they came on first; those not seen before came now."""
        with self._transaction():
            self._db.executemany("INSERT OR IGNORE INTO person VALUES (?, ?)", people)
        asked = json.dumps([name for name, _ in people])
        query = "SELECT id, line FROM person WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self._rows(query, (asked,)))

    def settled(self, lines: Sequence[int]) -> set[int]:
        """Return those of *lines* that need nothing more."""
        query = "SELECT line FROM outcome WHERE line IN (SELECT value FROM json_each(?))"
        return {line for (line,) in self._rows(query, (json.dumps(list(lines)),))}

    def settle(self, outcome: Outcome) -> None:
        """Keep what became of a row; the answers that led there are not needed any more."""
        usage = {str(stage): _as_kept(each) for stage, each in outcome.usage.items()}
        row = (outcome.line, outcome.kind, outcome.id, outcome.text, json.dumps(usage))
        with self._transaction():
            self._db.execute("INSERT INTO outcome VALUES (NULL, ?, ?, ?, ?, ?)", row)
            sent = self._db.execute(f"{_SENT} WHERE line = ?", (outcome.line,)).fetchone()
            self._db.execute(_COUNT, (REQUESTS, sent[0]))
            self._db.execute("DELETE FROM answer WHERE line = ?", (outcome.line,))

    def has_anything(self) -> bool:
        """Return whether anybody is done, or anything was answered."""
        done = "SELECT 1 FROM outcome WHERE kind = 'done'"
        paid = "SELECT 1 FROM answer WHERE json_extract(reply, '$.usage.calls') > 0"
        query = f"SELECT EXISTS ({done}) OR EXISTS ({paid})"
        with self._lock, suppress(sqlite3.ProgrammingError):
            return bool(self._db.execute(query).fetchone()[0])
        # It is closed, which it only is when all is done.
        return False

    def count(self, kind: Kind) -> int:
        """Return how many rows were settled in this way."""
        ((count,),) = self._rows("SELECT count(*) FROM outcome WHERE kind = ?", (kind,))
        return int(count)

    def lines(self, *, as_they_came: bool) -> Iterator[str]:
        """Yield the lines of the output, in the order of the input unless told otherwise."""
        order = "came" if as_they_came else "line"
        query = f"SELECT text FROM outcome WHERE kind = 'done' ORDER BY {order}"
        with self._lock:
            for (text,) in self._db.execute(query):
                yield text

    def problems(self) -> Iterator[Outcome]:
        """Yield the rows that were skipped, in the order of the input."""
        query = "SELECT line, id, text FROM outcome WHERE kind = 'skipped' ORDER BY line"
        for line, name, text in self._rows(query):
            yield Outcome(line, name, "skipped", text, {})

    # Answers

    def keep(self, line: int, stage: Stage, digest: bytes, reply: Reply) -> None:
        """Keep an answer; after the end nobody asks for it."""
        row = (line, str(stage), digest, reply_as_json(reply))
        with self._lock, _unless_closed(), self._writing():
            self._db.execute("INSERT INTO answer VALUES (NULL, ?, ?, ?, ?)", row)

    def kept(self, line: int) -> list[tuple[bytes, Reply]]:
        """Return the answers kept for a row, in the order they came."""
        query = "SELECT digest, reply FROM answer WHERE line = ? ORDER BY number"
        return [(digest, _reply(reply)) for digest, reply in self._rows(query, (line,))]

    def turn(self) -> AbstractContextManager[None]:
        """Let a call begin at once: the endpoint has its own limit."""
        return nullcontext()

    def take_in(self, path: Path) -> None:
        """Take in the answers that other processes kept in a file, and take the file away."""
        if not path.exists():
            return
        known = "SELECT 1 FROM answer WHERE line = ? AND digest = ? AND reply = ?"
        settled = "SELECT 1 FROM outcome WHERE line = ?"
        with self._transaction(), path.open(encoding="utf-8") as file:
            for text in file:
                # The last line may be torn: its writer was killed.
                if not text.endswith("\n"):
                    break
                line, stage, digest, reply = json.loads(text)
                row = (line, stage, bytes.fromhex(digest), reply)
                self._db.execute(
                    "INSERT INTO answer (line, stage, digest, reply) SELECT ?, ?, ?, ?"
                    f" WHERE NOT EXISTS ({known}) AND NOT EXISTS ({settled})",
                    (*row, line, row[2], reply, line),
                )
        path.unlink()

    def bill(self) -> Bill:
        """Return what all of it cost, over all runs."""
        bill = Bill()
        with self._lock:
            for (text,) in self._db.execute("SELECT usage FROM outcome WHERE usage != '{}'"):
                for stage, counts in json.loads(text).items():
                    bill.add(Stage(stage), Usage(**counts))
            for stage, text in self._db.execute("SELECT stage, reply FROM answer"):
                # Some rows only say that something was sent.
                if (usage := _reply(text).usage).calls:
                    bill.add(Stage(stage), usage)
        return bill

    def requests(self) -> int:
        """Return how many requests were sent over all runs, repeated and refused ones too."""
        settled = self._rows("SELECT value FROM about WHERE name = ?", (REQUESTS,))
        ((waiting,),) = self._rows(_SENT)
        return int(settled[0][0] if settled else 0) + int(waiting)

    def _rows(self, query: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, self._writing():
            return self._db.execute(query, tuple(values)).fetchall()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock, self._writing():
            self._db.execute("BEGIN")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk ends a transaction by itself.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise _told(self.path, error) from error


def _told(path: Path, error: sqlite3.OperationalError) -> BatchError:
    """Say why the journal cannot be used now."""
    if error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BatchError(
            f"{path} is in use: {error}.",
            detail="Another run of the same batch may be on its way.",
            remedy="wait for it, or another -o.",
        )
    return BatchError(
        f"{path} cannot be written: {error}.",
        detail="What is in it stays.",
        remedy="make room, and the same command again.",
    )


@contextmanager
def _unless_closed() -> Iterator[None]:
    try:
        yield
    except sqlite3.ProgrammingError as error:
        # A call that was under way when the run was broken off.
        if "closed" not in str(error):
            raise


def reply_as_json(reply: Reply) -> str:
    """Return a reply as it is kept."""
    told = {name: getattr(reply, name) for name in _REPLY_FIELDS}
    usages = {name: _as_kept(told[name]) for name in ("usage", "saved")}
    return _encode({**told, **usages})


def _as_kept(usage: Usage) -> dict[str, int | None]:
    return {name: getattr(usage, name) for name in _USAGE_FIELDS}


_encode = json.JSONEncoder(ensure_ascii=False).encode
_REPLY_FIELDS = tuple(each.name for each in fields(Reply))
_USAGE_FIELDS = tuple(each.name for each in fields(Usage))


def _reply(text: str) -> Reply:
    kept = {name: value for name, value in json.loads(text).items() if name in _REPLY_FIELDS}
    shares = tuple((label, share) for label, share in kept["shares"])
    usages = {name: Usage(**kept[name]) for name in ("usage", "saved")}
    return Reply(**{**kept, **usages, "shares": shares})
