"""Add calls to a usage log; problems with the file are reported, never raised."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from unillmrec.errors import StoreError
from unillmrec.usage_log.calls import Call
from unillmrec.usage_log.file import open_to_write

SUFFIX = ".usage"
# Calls that cannot be written are kept and tried again with the next one, up to so many.
MOST_WAITING = 10_000

Row = dict[str, object]


def log_path(tree: Path, setting: Path | Literal["off"] | None) -> Path | None:
    """Return the log for calls about *tree*; None if logging is off."""
    if setting == "off":
        return None
    return setting or tree.with_name(tree.name + SUFFIX)


def new_run() -> str:
    """Return a name for one run of a command, which sorts behind earlier ones."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


class UsageLog:
    """Adds the calls of one run to a log that several threads and processes may share.

    Without a *path* nothing is logged. *warn* is called once if the log cannot be written, and
    when closing if calls are missing from it. *run* is the name of the run, if several processes
    share it.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        command: str,
        tree: Path,
        warn: Callable[[str], None],
        run: str = "",
    ) -> None:
        self.run = run or new_run()
        self.path = path
        self._about = {"command": command, "tree": str(tree.resolve())}
        self._warn = warn
        self._warned = False
        self._db: sqlite3.Connection | None = None
        self._waiting: list[Row] = []
        self._lock = threading.Lock()

    def add(self, call: Call) -> None:
        """Log a call at once or, on a full disk, as soon as there is room again."""
        with self._lock:
            if self.path is None:
                return
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(self._row(call))
            self._write()

    def _write(self) -> None:
        assert self.path is not None
        try:
            if self._db is None:
                self._db = open_to_write(self.path)
            _insert(self._db, self._waiting)
            self._waiting.clear()
        except (sqlite3.OperationalError, OSError) as error:
            self._warn_once(f"{self.path}: {error}")
        except (StoreError, sqlite3.Error) as error:
            # A file of another kind stays one, so trying again is no use.
            problem = error.problem if isinstance(error, StoreError) else f"{self.path}: {error}"
            self._warn_once(problem)
            self.path = None

    def _warn_once(self, problem: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(f"Usage is not logged: {problem}")

    def _row(self, call: Call) -> Row:
        usage, price = call.usage, call.price
        cost = price.cost_of(usage) if price else None
        spent_nothing = usage.prompt == usage.completion == 0
        return {
            **{"run": self.run, "at": datetime.now(UTC).isoformat(timespec="milliseconds")},
            **self._about,
            **{name: getattr(call, name) for name in _CALL_FIELDS},
            **{name: getattr(usage, name) for name in _USAGE_FIELDS},
            "seconds": round(call.seconds, 4),
            "again": int(call.again),
            "cost": cost.amount if cost else 0.0 if spent_nothing else None,
            "known_cost": price.known_cost(usage) if price else 0.0,
            "currency": price.currency if price else "",
            "price_prompt": price.prompt / price.per if price else None,
            "price_cached": price.of_cached / price.per if price else None,
            "price_completion": price.completion / price.per if price else None,
            "priced_as_of": f"{price.as_of} {price.source}".strip() if price else "",
        }

    def close(self) -> None:
        """Close the file; calls that end later are not logged."""
        with self._lock:
            if self._waiting and self.path is not None:
                self._write()
            if self._waiting and self._db is not None:
                self._warn(f"{len(self._waiting):,} calls are missing from {self.path}.")
            if self._db is not None:
                self._db.close()
            self._db = self.path = None
            self._waiting.clear()

    def __enter__(self) -> UsageLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_CALL_FIELDS = (
    *("stage", "kind", "model", "endpoint", "asked_with", "failure", "retries", "refused"),
    *("about", "person", "max_output"),
)
_USAGE_FIELDS = (
    *("calls", "prompt", "completion", "cached", "reasoning"),
    *("estimated_prompt", "estimated_completion", "known_prompt", "known_completion"),
)


def _insert(db: sqlite3.Connection, rows: list[Row]) -> None:
    names = rows[0].keys()
    values = ", ".join(f":{name}" for name in names)
    db.execute("BEGIN IMMEDIATE")
    try:
        db.executemany(f"INSERT INTO call ({', '.join(names)}) VALUES ({values})", rows)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
