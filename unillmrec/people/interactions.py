"""Read who interacted with what, when, and how they rated it, into columns."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.catalog.formats.contract import Table
from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.errors import PersonError
from unillmrec.people.fields import (
    HISTORY_COLUMNS,
    INTERACTION_COLUMNS,
    PERSON_COLUMNS,
    open_people_table,
    person_error,
    read_id,
    read_item_id,
    read_number,
    read_time,
)

Integers = NDArray[np.int64]
Numbers = NDArray[np.float64]
RowReader: TypeAlias = Callable[[int, Mapping[str, object]], None]

KNOWN_FORMATS = (
    "a table with the columns user_id, item_id and optionally timestamp and rating; "
    'or JSON Lines such as {"id": "anna", "history": ["a", "b", "c"]}, oldest first'
)


@dataclass(frozen=True, slots=True)
class Interactions:
    """One row for each time a person interacted with an item, in the order of the file.

    *people* and *items* are ids; the columns *person* and *item* are indexes into them. An
    unknown time or rating is NaN.
    """

    people: tuple[str, ...]
    items: tuple[str, ...]
    person: Integers
    item: Integers
    time: Numbers
    rating: Numbers

    def __len__(self) -> int:
        return len(self.person)

    def select(self, mask: NDArray[np.bool_]) -> Interactions:
        """Return the rows where *mask* is true; *people* and *items* stay as they are."""
        return replace(
            self,
            person=self.person[mask],
            item=self.item[mask],
            time=self.time[mask],
            rating=self.rating[mask],
        )

    @property
    def has_times(self) -> bool:
        """Whether every row has a time that is comparable between people.

        If each person's times are 0, 1, 2 … or 1, 2, 3 …, they are positions in a sequence.
        """
        if not len(self) or np.isnan(self.time).any():
            return False
        order = np.lexsort((self.time, self.person))
        person, time = self.person[order], self.time[order]
        starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        position = np.arange(len(person)) - np.repeat(starts, np.diff(np.r_[starts, len(person)]))
        return not any(bool((time == position + first).all()) for first in (0, 1))


class InteractionsBuilder:
    """Collects interactions one at a time into columns."""

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
        """Append one interaction."""
        self._person.append(self._people[person])
        self._item.append(self._items[item])
        self._time.append(np.nan if time is None else time)
        self._rating.append(np.nan if rating is None else rating)

    def finish(self) -> Interactions:
        """Return the interactions added so far."""
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
        PersonError: the file cannot be read, or a column is missing.
    """
    builder = InteractionsBuilder()
    read_row: RowReader | None = None
    with open_people_table(path, format) as table, closing(table.rows()) as rows:
        for number, row in rows:
            try:
                if isinstance(row, RowProblem):
                    raise row
                assert isinstance(row, dict)
                read_row = read_row or _row_reader(builder, row, table)
                read_row(number, row)
            except RowProblem as problem:
                raise person_error(table.place(number), problem) from problem
    interactions = builder.finish()
    if not len(interactions):
        raise PersonError(
            f"{table.label}: it contains no interactions.", remedy=f"use {KNOWN_FORMATS}."
        )
    return interactions


def _row_reader(
    builder: InteractionsBuilder, first: Mapping[str, object], table: Table
) -> RowReader:
    """Return the function that reads rows like *first*: interactions or histories."""
    history = _ColumnFinder({"history": HISTORY_COLUMNS}).values(first).get("history")
    if isinstance(history, list):
        return _history_reader(builder, table)
    found = _ColumnFinder(INTERACTION_COLUMNS).values(first)
    missing = [INTERACTION_COLUMNS[role][0] for role in ("person", "item") if role not in found]
    if missing:
        raise PersonError(
            f"{table.label}: there is no column {' or '.join(map(repr, missing))}.",
            detail=f"It has {', '.join(map(quoted, list(first)[:12]))}.",
            remedy=f"use {KNOWN_FORMATS}.",
        )
    return _interaction_reader(builder)


def _interaction_reader(builder: InteractionsBuilder) -> RowReader:
    """Return a reader of rows with one interaction each."""
    columns = _ColumnFinder(INTERACTION_COLUMNS)

    def read_row(number: int, row: Mapping[str, object]) -> None:
        values = columns.values(row)
        time = read_time(values.get("time"))
        rating = read_number(values.get("rating"), "rating")
        builder.add(read_id(values.get("person")), read_id(values.get("item")), time, rating)

    return read_row


def _history_reader(builder: InteractionsBuilder, table: Table) -> RowReader:
    """Return a reader of rows with one person each; positions in the list serve as times."""
    columns = _ColumnFinder({"history": HISTORY_COLUMNS, "person": PERSON_COLUMNS})

    def read_row(number: int, row: Mapping[str, object]) -> None:
        values = columns.values(row)
        history = values.get("history")
        if not isinstance(history, list):
            raise RowProblem("there is no history that is a list of item ids")
        person = read_id(values["person"]) if "person" in values else table.place(number)
        for position, item in enumerate(history):
            builder.add(person, read_item_id(item), float(position))

    return read_row


class _ColumnFinder:
    """Finds the values of a row by role, under any of the role's column names.

    JSON objects need not have the same keys: another row may have a column that one lacks.
    The first name found for a role wins wherever a row has it.
    """

    def __init__(self, roles: Mapping[str, tuple[str, ...]]) -> None:
        self._roles = roles
        self._keys: frozenset[str] = frozenset()
        self._names: dict[str, str] = {}

    def values(self, row: Mapping[str, object]) -> dict[str, object]:
        """Return values by role, without the roles that no row has had so far."""
        if row.keys() != self._keys:
            self._find_names(row)
        return {role: row.get(name) for role, name in self._names.items()}

    def _find_names(self, row: Mapping[str, object]) -> None:
        self._keys = frozenset(row)
        folded = {name.casefold(): name for name in row}
        for role, names in self._roles.items():
            name = next((folded[each] for each in names if each in folded), None)
            if name is not None and self._names.get(role) not in self._keys:
                self._names[role] = name


def sequences(interactions: Interactions, positions: Integers) -> Iterator[tuple[int, Integers]]:
    """Yield each person with the rows of their known items, oldest first.

    *positions* gives the position of each item in the catalog, or -1. Of repeated interactions
    with an item the first counts; equal times keep the order of the file.
    """
    rows = np.flatnonzero(positions[interactions.item] >= 0)
    time = np.nan_to_num(interactions.time[rows], nan=0.0)
    rows = rows[np.lexsort((rows, time, interactions.person[rows]))]
    pairs = interactions.person[rows] * len(positions) + interactions.item[rows]
    # `unique` returns the first index of equal pairs.
    rows = rows[np.sort(np.unique(pairs, return_index=True)[1])]
    person = interactions.person[rows]
    if len(rows):
        starts = np.flatnonzero(np.r_[True, person[1:] != person[:-1]])
        for begin, end in zip(starts, [*starts[1:], len(rows)], strict=True):
            yield int(person[begin]), rows[begin:end]
