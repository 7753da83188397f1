"""Add calls to a usage log; problems with the file are reported, never raised."""

from __future__ import annotations

import secrets
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unillmrec.endpoint import FailureKind
from unillmrec.errors import StoreError
from unillmrec.system.untrusted_json import replace_surrogates
from unillmrec.usage import Usage
from unillmrec.usage_log.file import open_to_write

if TYPE_CHECKING:
    from unillmrec.usage_log.calls import Call

SUFFIX = ".usage"
# Calls that cannot be written are kept and tried again with the next one, up to so many.
MOST_WAITING = 10_000

UNKNOWN = Usage(prompt=None, completion=None, cached=None, reasoning=None)
"""What a call that was broken off cost: the server may still have answered it."""
CLOSED = str(FailureKind.CLOSED)

Row = dict[str, object]


def log_path(tree: Path, setting: Path | Literal["off"] | None) -> Path | None:
    """Return the log for calls about *tree*; None if logging is off."""
    if setting == "off":
        return None
    return setting or tree.with_name(tree.name + SUFFIX)


def new_run() -> str:
    """Return a name for one run of a command; names of later runs sort after it."""
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
        self._in_flight: dict[int, Call] = {}
        self._lock = threading.Lock()

    def begin(self, call: Call) -> None:
        """Note that *call* is being sent; without an `add` for it, `close` logs it as unknown."""
        with self._lock:
            self._in_flight[id(call)] = call

    def add(self, call: Call, begun: Call | None = None) -> None:
        """Log a call, now or, on a full disk, as soon as there is room again; never raise.

        *begun* is what `begin` got for it.
        """
        with self._lock:
            self._in_flight.pop(id(begun), None)
            self._add(call)

    def _add(self, call: Call) -> None:
        if self.path is None:
            return
        try:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.append(self._row(call))
            self._write()
        except Exception as error:
            # Whatever it is, the answer is worth more than its row, and the next row may fit.
            self._waiting.clear()
            self._warn_once(f"{self.path}: {error}")

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
        row: Row = {
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
        return {name: _storable(name, value) for name, value in row.items()}

    def close(self) -> None:
        """Log the calls that are still in flight as unknown, and close the file."""
        with self._lock:
            for call in self._in_flight.values():
                self._add(replace(call, usage=UNKNOWN, failure=CLOSED))
            self._in_flight.clear()
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


def _storable(name: str, value: object) -> object:
    """Return *value* as SQLite can store it; a number beyond 64 bits is unknown."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return 0 if name.startswith("known_") else None
    return replace_surrogates(value)


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
