"""Who met what, when, and how they liked it: read from a table, kept in columns."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unillmrec.catalog.formats.detection import detect
from unillmrec.catalog.problems import RowProblem, shown
from unillmrec.catalog.reader import table_of
from unillmrec.catalog.sources import open_source
from unillmrec.errors import CatalogError, EvaluationError

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "person": ("user_id", "user", "userid", "person", "person_id", "reviewerid", "reader"),
    "item": ("item_id", "item", "itemid", "asin", "movieid", "book_id", "news_id"),
    "time": ("timestamp", "time", "date", "unixreviewtime", "when"),
    "rating": ("rating", "overall", "score", "stars"),
}
HISTORY = ("history", "items", "item_ids")
IDENTITY = ("person", "person_id", "user_id", "user", "id")
KNOWN_FORMS = (
    "a table with the columns user_id, item_id and, where there are any, timestamp and rating; "
    'or JSON Lines such as {"id": "anna", "history": ["a", "b", "c"]}, oldest first'
)


@dataclass(frozen=True, slots=True)
class Interactions:
    """One row for each time a person met an item, in the order of the file.

    *people* and *items* are names; the columns hold places in them. An unknown time or rating
    is NaN.
    """

    people: tuple[str, ...]
    items: tuple[str, ...]
    person: Integers
    item: Integers
    time: Numbers
    rating: Numbers

    def __len__(self) -> int:
        return len(self.person)

    def kept(self, chosen: NDArray[np.bool_]) -> Interactions:
        """Return the rows that are *chosen*; names keep their places."""
        return replace(
            self,
            person=self.person[chosen],
            item=self.item[chosen],
            time=self.time[chosen],
            rating=self.rating[chosen],
        )

    @property
    def has_times(self) -> bool:
        """Whether every row has a time that can be compared between people.

        Where each person's times are 0, 1, 2 … or 1, 2, 3 …, they are places in a sequence.
        """
        if not len(self) or np.isnan(self.time).any():
            return False
        order = np.lexsort((self.time, self.person))
        person, time = self.person[order], self.time[order]
        starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        place = np.arange(len(person)) - np.repeat(starts, np.diff(np.r_[starts, len(person)]))
        return not any(bool((time == place + first).all()) for first in (0, 1))


class InteractionRows:
    """Takes interactions one by one, and keeps them in columns."""

    def __init__(self) -> None:
        self._people: defaultdict[str, int] = defaultdict()
        self._people.default_factory = self._people.__len__
        self._items: defaultdict[str, int] = defaultdict()
        self._items.default_factory = self._items.__len__
        self._person, self._item = array("q"), array("q")
        self._time, self._rating = array("d"), array("d")

    def add(
        self, person: str, item: str, time: float | None = None, rating: float | None = None
    ) -> None:
        """Take one interaction."""
        self._person.append(self._people[person])
        self._item.append(self._items[item])
        self._time.append(np.nan if time is None else time)
        self._rating.append(np.nan if rating is None else rating)

    def finish(self) -> Interactions:
        """Return all that were taken."""
        return Interactions(
            tuple(self._people),
            tuple(self._items),
            np.array(self._person, np.int64),
            np.array(self._item, np.int64),
            np.array(self._time, np.float64),
            np.array(self._rating, np.float64),
        )


def read_interactions(path: str | Path, format: str | None = None) -> Interactions:
    """Read a table of interactions, or histories, from CSV, TSV, JSON, JSON Lines or Parquet.

    Raises:
        EvaluationError: the file cannot be read, or lacks a column.
    """
    try:
        return _read(path, format)
    except CatalogError as error:
        # The reader of catalogs says that nothing was written, which nobody asked for here.
        raise EvaluationError(error.problem, remedy=error.remedy) from error


def _read(path: str | Path, format: str | None) -> Interactions:
    source = open_source(path)
    try:
        table = table_of(source, detect(source, format))
        taken = InteractionRows()
        take: Callable[[str, Mapping[str, object]], None] | None = None
        with closing(table.rows()) as rows:
            for number, row in rows:
                if isinstance(row, RowProblem):
                    raise EvaluationError(f"{table.place(number)}: {row.problem}.")
                assert isinstance(row, dict)
                take = take or _taker(taken, row, table.label)
                take(table.place(number), row)
    finally:
        source.close()
    made = taken.finish()
    if not len(made):
        raise EvaluationError(f"{table.label}: it holds no interactions.", remedy=KNOWN_FORMS + ".")
    return made


def _taker(
    taken: InteractionRows, first: Mapping[str, object], label: str
) -> Callable[[str, Mapping[str, object]], None]:
    """Return what takes rows of the same kind as the *first*."""
    met = _Columns({"history": HISTORY}).of(first).get("history")
    if isinstance(met, list):
        return _Histories(taken).take
    found = _Columns(COLUMNS).of(first)
    missing = [COLUMNS[role][0] for role in ("person", "item") if role not in found]
    if missing:
        raise EvaluationError(
            f"{label}: there is no column {' or '.join(map(repr, missing))}.",
            detail=f"It has {', '.join(map(shown, list(first)[:12]))}.",
            remedy=f"give {KNOWN_FORMS}.",
        )
    return _Table(taken).take


class _Columns:
    """Finds the values of a row by their roles, whatever their columns are called.

    Lines of JSON need not have the same keys: a role that one row lacks another may have. The
    first name that was found for a role is kept, where a row has it.
    """

    def __init__(self, roles: Mapping[str, tuple[str, ...]]) -> None:
        self._roles = roles
        self._shape: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}

    def of(self, row: Mapping[str, object]) -> dict[str, object]:
        """Return values by role; a role that no row had so far is not among them."""
        if row.keys() != self._shape:
            self._look(row)
        return {role: row.get(name) for role, name in self._names.items()}

    def _look(self, row: Mapping[str, object]) -> None:
        self._shape = frozenset(row)
        folded = {name.casefold(): name for name in row}
        for role, names in self._roles.items():
            found = next((folded[name] for name in names if name in folded), None)
            if found is not None and self._names.get(role) not in self._shape:
                self._names[role] = found


class _Table:
    """Rows of one interaction each."""

    def __init__(self, taken: InteractionRows) -> None:
        self._taken = taken
        self._columns = _Columns(COLUMNS)

    def take(self, place: str, row: Mapping[str, object]) -> None:
        found = self._columns.of(row)
        time = read_time(found.get("time"), place)
        rating = _number(found.get("rating"), place, "rating")
        self._taken.add(
            _name(found.get("person"), place), _name(found.get("item"), place), time, rating
        )


class _Histories:
    """Rows of one person each; the order of the list stands for the time."""

    def __init__(self, taken: InteractionRows) -> None:
        self._taken = taken
        self._columns = _Columns({"history": HISTORY, "identity": IDENTITY})

    def take(self, place: str, row: Mapping[str, object]) -> None:
        found = self._columns.of(row)
        met = found.get("history")
        if not isinstance(met, list):
            raise EvaluationError(f"{place}: there is no history that is a list of item ids.")
        person = _name(found["identity"], place) if "identity" in found else place
        for position, item in enumerate(met):
            self._taken.add(person, _name(item, place), float(position))


def _name(value: object, place: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise EvaluationError(f"{place}: {shown(value)} is no id.", remedy=f"give {KNOWN_FORMS}.")
    return str(value)


def _number(value: object, place: str, what: str) -> float | None:
    if value is None or value == "":
        return None
    try:
        return float(value)  # type: ignore[arg-type] # what does not fit is told below
    except (TypeError, ValueError, OverflowError) as error:
        raise EvaluationError(f"{place}: {shown(value)} is no {what}.") from error


def read_time(value: object, place: str) -> float | None:
    """Read a time: seconds since 1970 or any other number, or a date as ISO 8601 writes it.

    Raises:
        EvaluationError: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return _seconds(value)
    try:
        return float(value)  # type: ignore[arg-type] # dates are read below
    except (TypeError, ValueError):
        written = str(value)
    except OverflowError:
        # Digits enough can be read as a date.
        written = ""
    try:
        return _seconds(datetime.fromisoformat(written))
    except ValueError as error:
        raise EvaluationError(
            f"{place}: {shown(value)} is no time.", remedy="a number, or a date as 2026-01-31."
        ) from error


def _seconds(moment: datetime) -> float:
    # A time without a zone is taken for UTC, so that two machines read the same file alike.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def sequences(interactions: Interactions, places: Integers) -> Iterator[tuple[int, Integers]]:
    """Return each person's place with the rows that count, oldest first.

    *places* says for each item of the interactions where the catalog has it, or -1. A person
    who met an item twice met it the first time; equal times keep the order of the file.
    """
    rows = np.flatnonzero(places[interactions.item] >= 0)
    time = np.nan_to_num(interactions.time[rows], nan=0.0)
    rows = rows[np.lexsort((rows, time, interactions.person[rows]))]
    pairs = interactions.person[rows] * len(places) + interactions.item[rows]
    # Of equal pairs `unique` returns the first.
    rows = rows[np.sort(np.unique(pairs, return_index=True)[1])]
    person = interactions.person[rows]
    if len(rows):
        starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            yield int(person[begin]), rows[begin:end]
