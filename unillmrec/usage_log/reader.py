"""Add up the calls in a usage log."""

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
from unillmrec.usage_log.calls import Costs, EstimateError, UsageLine
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
# Estimates are compared with calls of a single reply that has reported counts.
COMPARABLE = "calls = 1 AND failure = '' AND kind = 'chat' AND prompt > 0 AND completion > 0"

# Reasoning is not part of the text that we count.
_TEXT_TOKENS = "completion - coalesce(reasoning, 0)"


def _sum_comparable(column: str) -> str:
    return f"coalesce(sum(CASE WHEN {COMPARABLE} THEN {column} END), 0)"


# A sum with an unknown part is unknown, but SQL's sum() skips NULL.
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
        *(_sum_comparable(name) for name in ("estimated_prompt", "prompt")),
        *(_sum_comparable(name) for name in ("estimated_completion", _TEXT_TOKENS)),
    )
)
_COSTS = "currency, coalesce(sum(known_cost), 0), count(*) - count(cost)"


@dataclass(frozen=True, slots=True)
class LogSelection:
    """Rows of a log, as the FROM and WHERE clauses of a query and their *values*."""

    clauses: str
    values: tuple[str, ...]

    @classmethod
    def of(cls, table: str, since: datetime | None, tree: Path | None) -> LogSelection:
        """Select the calls since *since* about *tree*; None does not restrict them."""
        conditions = {
            "at >= ?": since.astimezone(UTC).isoformat(timespec="milliseconds") if since else None,
            "tree = ?": str(tree.resolve()) if tree else None,
        }
        given = {text: value for text, value in conditions.items() if value is not None}
        return cls(f"FROM {table} WHERE {' AND '.join(['1', *given])}", tuple(given.values()))


def read_log(
    path: Path, by: Grouping, since: datetime | None = None, tree: Path | None = None
) -> tuple[list[UsageLine], UsageLine]:
    """Return the calls since *since* about *tree*, added up for each *by* and in total.

    Runs and days are sorted by time, stages in the order of a recommendation, the rest by name.
    A log of a *tree* that had no calls yet need not exist.

    Raises:
        StoreError: the file cannot be read, or is no usage log.
    """
    if not path.exists() and tree is not None:
        return [], UsageLine("total")
    db, table = open_to_read(path)
    selection = LogSelection.of(table, since, tree)
    try:
        # In one transaction, so that calls added meanwhile are in all sums, or in none.
        db.execute("BEGIN")
        lines = _sum(db, _KEYS[by], selection)
        total = (_sum(db, "'total'", selection) or [UsageLine("total")])[0]
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error
    finally:
        db.close()
    if by == "stage":
        order = {str(stage): place for place, stage in enumerate(Stage)}
        lines.sort(key=lambda line: order.get(line.key, len(order)))
    return lines, replace(total, command="")


def _sum(db: sqlite3.Connection, key: str, selection: LogSelection) -> list[UsageLine]:
    known: dict[str, dict[str, float]] = defaultdict(dict)
    unpriced: dict[str, int] = defaultdict(int)
    by_currency = f"SELECT {key} AS key, {_COSTS} {selection.clauses} GROUP BY key, currency"
    for name, currency, cost, missing in db.execute(by_currency, selection.values):
        if currency:
            known[name][currency] = cost
        unpriced[name] += missing
    grouped = f"SELECT {key} AS key, {_SUMS} {selection.clauses} GROUP BY key ORDER BY key"
    return [
        _line(row, Costs(known[row[0]], unpriced[row[0]]))
        for row in db.execute(grouped, selection.values)
    ]


def _line(row: tuple[Any, ...], costs: Costs) -> UsageLine:
    key, *sums = row
    counts = [*sums[9:18], EstimateError(*sums[18:20]), EstimateError(*sums[20:22]), costs]
    return UsageLine(key, Usage(*sums[:9]), *counts)
