"""The sums of what a usage log holds."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeAlias

from unillmrec.errors import StoreError
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log.calls import Costs, Error, Line
from unillmrec.usage_log.file import open_to_read

Grouping: TypeAlias = Literal["run", "stage", "model", "day", "person"]

_KEYS: Mapping[Grouping, str] = {
    "run": "run",
    "stage": "stage",
    "model": "model || ' at ' || endpoint",
    "day": "date(at, 'localtime')",
    "person": "CASE person WHEN '' THEN '(nobody named)' ELSE person END",
}
_COUNTS = ("prompt", "completion", "cached", "reasoning")
# One answer to one question that says what it cost: only such a count can be compared.
COMPARABLE = "calls = 1 AND failure = '' AND kind = 'chat' AND prompt > 0 AND completion > 0"

# What was thought is not in the text that we can count.
_SPOKEN = "completion - coalesce(reasoning, 0)"


def _compared(column: str) -> str:
    return f"coalesce(sum(CASE WHEN {COMPARABLE} THEN {column} END), 0)"


# A sum with an unknown in it is unknown; SQL alone would leave the unknown out.
_SUMS = ", ".join(
    (
        "coalesce(sum(calls), 0)",
        *(f"CASE WHEN count({n}) = count(*) THEN coalesce(sum({n}), 0) END" for n in _COUNTS),
        "coalesce(sum(estimated_prompt), 0), coalesce(sum(estimated_completion), 0)",
        "coalesce(sum(known_prompt), 0), coalesce(sum(known_completion), 0)",
        "count(*)",
        "coalesce(sum(prompt IS NULL OR completion IS NULL), 0)",
        "coalesce(sum(failure != ''), 0), coalesce(sum(seconds), 0)",
        "coalesce(min(at), ''), coalesce(min(command), '')",
        "coalesce(sum(retries), 0), coalesce(sum(refused), 0), coalesce(sum(again), 0)",
        *(_compared(name) for name in ("estimated_prompt", "prompt")),
        *(_compared(name) for name in ("estimated_completion", _SPOKEN)),
    )
)
_COSTS = "currency, coalesce(sum(known_cost), 0), count(*) - count(cost)"


@dataclass(frozen=True, slots=True)
class Selected:
    """The rows of a log that were asked for, as the end of a query."""

    source: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, table: str, since: datetime | None, tree: Path | None) -> Selected:
        """Return the calls since *since* about *tree*; all of them where nothing is said."""
        conditions = {
            "at >= ?": since.astimezone(UTC).isoformat(timespec="milliseconds") if since else None,
            "tree = ?": str(tree.resolve()) if tree else None,
        }
        wanted = [text for text, value in conditions.items() if value is not None]
        values = tuple(value for value in conditions.values() if value is not None)
        return cls(f"FROM {table} WHERE {' AND '.join(['1', *wanted])}", values)


def read_log(
    path: Path, by: Grouping, since: datetime | None = None, tree: Path | None = None
) -> tuple[list[Line], Line]:
    """Return the sums by *by*, and the sum of all, of the calls since *since* about *tree*.

    Runs and days come in the order of time, stages in the order of the line, others by name.
    A log that nothing was written to yet need not exist.

    Raises:
        StoreError: the file cannot be read, or is no usage log.
    """
    if not path.exists() and tree is not None:
        return [], Line("total")
    db, table = open_to_read(path)
    selected = Selected.of(table, since, tree)
    try:
        # All in one transaction: what is added meanwhile is in all sums, or in none.
        db.execute("BEGIN")
        lines = _lines(db, _KEYS[by], selected)
        total = (_lines(db, "'total'", selected) or [Line("total")])[0]
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    finally:
        db.close()
    if by == "stage":
        order = {str(stage): place for place, stage in enumerate(Stage)}
        lines.sort(key=lambda line: order.get(line.key, len(order)))
    return lines, replace(total, command="")


def _lines(db: sqlite3.Connection, key: str, selected: Selected) -> list[Line]:
    known: dict[str, dict[str, float]] = defaultdict(dict)
    unpriced: dict[str, int] = defaultdict(int)
    by_currency = f"SELECT {key} AS key, {_COSTS} {selected.source} GROUP BY key, currency"
    for name, currency, cost, missing in db.execute(by_currency, selected.values):
        if currency:
            known[name][currency] = cost
        unpriced[name] += missing
    grouped = f"SELECT {key} AS key, {_SUMS} {selected.source} GROUP BY key ORDER BY key"
    return [
        _line(row, Costs(known[row[0]], unpriced[row[0]]))
        for row in db.execute(grouped, selected.values)
    ]


def _line(row: tuple[Any, ...], costs: Costs) -> Line:
    key, *sums = row
    counts = [*sums[9:18], Error(*sums[18:20]), Error(*sums[20:22]), costs]
    return Line(key, Usage(*sums[:9]), *counts)
