"""What every call to an endpoint cost, kept in a small SQLite file beside the tree.

One row is one call, written when it is over. The file is opened with the first call, and
trouble with it never stands in the way of a recommendation.
"""

from __future__ import annotations

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from unillmrec.endpoint import AnswerError, CallError, OpenAIEndpoint, Reply, Request, spent
from unillmrec.errors import StoreError, UnillmrecError
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage

# "ULMU": what makes the file ours, wherever it is and whatever it is called.
APPLICATION_ID = 0x554C4D55
LAYOUT = 1
SUFFIX = ".usage"
BUSY_SECONDS = 2.0

Grouping: TypeAlias = Literal["run", "stage", "model", "day"]

_COUNTS = ("prompt", "completion", "cached", "reasoning")
_CREATE = """CREATE TABLE call (
    number INTEGER PRIMARY KEY, run TEXT NOT NULL, at TEXT NOT NULL, command TEXT NOT NULL,
    tree TEXT NOT NULL, stage TEXT NOT NULL, kind TEXT NOT NULL, model TEXT NOT NULL,
    endpoint TEXT NOT NULL, asked_with TEXT NOT NULL, failure TEXT NOT NULL,
    calls INTEGER NOT NULL, prompt INTEGER, completion INTEGER, cached INTEGER, reasoning INTEGER,
    estimated_prompt INTEGER NOT NULL, estimated_completion INTEGER NOT NULL,
    seconds REAL NOT NULL, retries INTEGER NOT NULL)"""
_INSERT = f"INSERT INTO call VALUES (NULL{', ?' * 19})"
_KEYS: dict[Grouping, str] = {
    "run": "run",
    "stage": "stage",
    "model": "model || ' at ' || endpoint",
    "day": "date(at, 'localtime')",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One call and what it cost.

    *kind* is "chat" or "embedding". *usage* covers every answer that was paid for in the
    call, so its `calls` may be more than one, or none. *failure* is empty if there was an
    answer.
    """

    stage: str
    kind: str
    model: str
    endpoint: str
    usage: Usage
    asked_with: str = ""
    failure: str = ""
    seconds: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The sum of some calls; a count is `None` if it is unknown of one of them.

    *rows* counts what was logged, *unknown* those of them without a reported prompt or
    completion, *failed* those without an answer. *began* is the time of the first.
    """

    key: str
    usage: Usage
    rows: int
    unknown: int
    failed: int
    seconds: float
    began: str
    command: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the line as the JSON output gives it."""
        return {
            "key": self.key,
            "usage": self.usage.as_dict(),
            "rows": self.rows,
            "unknown": self.unknown,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "began": self.began,
            "command": self.command,
        }


def log_path(tree: Path, setting: Path | Literal["off"] | None) -> Path | None:
    """Return where the calls about *tree* are logged; None if they are not."""
    if setting == "off":
        return None
    return setting or tree.with_name(tree.name + SUFFIX)


def new_run() -> str:
    """Return a name for one run of a command; later ones sort behind."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class UsageLog:
    """Adds the calls of one run to a log. Several threads and processes may.

    With no *path* nothing is kept. *warn* is told, once, if the log cannot be written.
    """

    def __init__(
        self, path: Path | None, *, command: str, tree: Path, warn: Callable[[str], None]
    ) -> None:
        self.run = new_run()
        self._path = path
        self._about = (command, str(tree.resolve()))
        self._warn = warn
        self._db: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Write a call down; a log that cannot be written is given up, and told of."""
        with self._lock:
            if self._path is None:
                return
            try:
                if self._db is None:
                    self._db = _open_to_write(self._path)
                self._db.execute(_INSERT, self._row(call))
            except (sqlite3.Error, OSError, StoreError) as error:
                problem = (
                    error.problem if isinstance(error, StoreError) else f"{self._path}: {error}"
                )
                self._warn(f"Usage is not logged: {problem}")
                self._path = None

    def _row(self, call: Call) -> tuple[object, ...]:
        usage = call.usage
        return (
            *(self.run, datetime.now(UTC).isoformat(timespec="milliseconds")),
            *self._about,
            *(call.stage, call.kind, call.model, call.endpoint, call.asked_with, call.failure),
            *(usage.calls, *(getattr(usage, name) for name in _COUNTS)),
            *(usage.estimated_prompt, usage.estimated_completion),
            *(round(call.seconds, 4), call.retries),
        )

    def close(self) -> None:
        """Let go of the file; calls that end later are not logged."""
        with self._lock:
            if self._db is not None:
                self._db.close()
            self._db = self._path = None

    def __enter__(self) -> UsageLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LoggedEndpoint:
    """Passes everything on to an endpoint, and every call with its cost to a log.

    It stands where the calls go out: answers nobody could use and calls that failed were
    paid for as well.
    """

    def __init__(self, endpoint: OpenAIEndpoint, log: UsageLog) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._log = log
        self._counter = TokenCounter.for_model(endpoint.model)

    def complete(self, request: Request) -> Reply:
        """Ask once, and write it down."""
        estimated = self._counter.count_messages([each.content for each in request.messages])
        call = Call(str(request.stage), "chat", self.model, self.name, Usage())
        started = time.monotonic()
        try:
            reply = self._endpoint.complete(request)
        except UnillmrecError as error:
            self._log_failure(call, error, estimated, started)
            raise
        usage = replace(
            reply.usage,
            estimated_prompt=estimated,
            estimated_completion=self._counter.count(reply.text),
        )
        self._log.add(
            replace(
                call,
                usage=usage,
                asked_with=reply.asked_with,
                seconds=reply.seconds,
                retries=reply.retries,
            )
        )
        return reply

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Turn texts into vectors, and write it down."""
        estimated = sum(map(self._counter.count, texts))
        call = Call(str(Stage.EMBED), "embedding", self.model, self.name, Usage())
        started = time.monotonic()
        try:
            vectors, usage = self._endpoint.embed(texts)
        except UnillmrecError as error:
            self._log_failure(call, error, estimated, started)
            raise
        if usage.prompt is not None:
            # Vectors are no tokens: what servers leave out here is not unknown.
            usage = replace(usage, completion=0, cached=usage.cached or 0, reasoning=0)
        usage = replace(usage, estimated_prompt=estimated)
        self._log.add(replace(call, usage=usage, seconds=time.monotonic() - started))
        return vectors, usage

    def _log_failure(
        self, call: Call, error: UnillmrecError, estimated: int, started: float
    ) -> None:
        failed = error if isinstance(error, CallError | AnswerError) else None
        usage = spent(error)
        self._log.add(
            replace(
                call,
                usage=replace(usage, estimated_prompt=estimated if usage.calls else 0),
                failure=str(failed.kind) if failed else type(error).__name__,
                seconds=time.monotonic() - started,
                retries=failed.retries if failed else 0,
            )
        )


def read_log(
    path: Path, by: Grouping, since: datetime | None = None, tree: Path | None = None
) -> tuple[list[Line], Line]:
    """Return the sums by *by*, and the sum of all, of the calls since *since* about *tree*.

    Runs and days come in the order of time, stages in the order of the line, models by name.
    A log that nothing was written to yet need not exist.

    Raises:
        StoreError: the file cannot be read, or is no usage log.
    """
    if not path.exists() and tree is not None:
        return [], Line("total", Usage(), 0, 0, 0, 0.0, "")
    conditions = {
        "at >= ?": since.astimezone(UTC).isoformat(timespec="milliseconds") if since else None,
        "tree = ?": str(tree.resolve()) if tree else None,
    }
    asked = [value for value in conditions.values() if value is not None]
    wanted = [text for text, value in conditions.items() if value is not None]
    source = f"FROM call WHERE {' AND '.join(['1', *wanted])}"
    db = _open_to_read(path)
    try:
        grouped = f"SELECT {_KEYS[by]} AS key, {_SUMS} {source} GROUP BY key ORDER BY key"
        lines = [_line(row) for row in db.execute(grouped, asked)]
        total = _line(db.execute(f"SELECT 'total', {_SUMS} {source}", asked).fetchone())
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    finally:
        db.close()
    if by == "stage":
        order = {str(stage): place for place, stage in enumerate(Stage)}
        lines.sort(key=lambda line: order.get(line.key, len(order)))
    return lines, replace(total, command="")


# A sum with an unknown in it is unknown; SQL alone would leave the unknown out.
_SUMS = ", ".join(
    (
        "coalesce(sum(calls), 0)",
        *(f"CASE WHEN count({n}) = count(*) THEN coalesce(sum({n}), 0) END" for n in _COUNTS),
        "coalesce(sum(estimated_prompt), 0), coalesce(sum(estimated_completion), 0)",
        "count(*)",
        "coalesce(sum(prompt IS NULL OR completion IS NULL), 0)",
        "coalesce(sum(failure != ''), 0), coalesce(sum(seconds), 0)",
        "coalesce(min(at), ''), coalesce(min(command), '')",
    )
)


def _line(row: tuple[Any, ...]) -> Line:
    key, *sums = row
    return Line(key, Usage(*sums[:7]), *sums[7:])


def _open_to_write(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=BUSY_SECONDS)
    try:
        # Two first calls at the same time must not both make the table.
        db.execute("BEGIN IMMEDIATE")
        if _pragma(db, "user_version") == 0 and not _has_tables(db):
            db.execute(_CREATE)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {LAYOUT}")
        db.execute("COMMIT")
        _check(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _open_to_read(path: Path) -> sqlite3.Connection:
    if not path.is_file():
        raise StoreError(f"{path} does not exist.", remedy="name a tree or its usage log.")
    try:
        db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        try:
            _check(db, path)
        except BaseException:
            db.close()
            raise
    except sqlite3.Error as error:
        raise StoreError(f"{path} is not a usage log, or it is damaged: {error}.") from error
    return db


def _check(db: sqlite3.Connection, path: Path) -> None:
    if _pragma(db, "application_id") != APPLICATION_ID:
        raise StoreError(f"{path} is not a usage log of unillmrec.", remedy="name another file.")
    if _pragma(db, "user_version") > LAYOUT:
        raise StoreError(
            f"{path} was written by a newer unillmrec.", remedy="pip install --upgrade unillmrec"
        )


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])


def _has_tables(db: sqlite3.Connection) -> bool:
    return bool(db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])
