"""Column names in files of people, and how ids, numbers and times are read from their values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from unillmrec.catalog.formats.detection import detect
from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.catalog.sources import open_source
from unillmrec.errors import CatalogError, PersonError
from unillmrec.system.untrusted_json import parse_json

if TYPE_CHECKING:
    from unillmrec.catalog.formats.contract import Table

# One row per person.
PERSON_COLUMNS = ("id", "person", "person_id", "user", "user_id")
HISTORY_COLUMNS = ("history", "items", "item_ids")
LIKE_COLUMNS = ("like",)
PROFILE_COLUMNS = ("profile",)
# The item of one entry of a history.
ITEM_COLUMNS = ("item_id", "item", "id", "itemid")
# One row per interaction.
INTERACTION_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "person": ("user_id", "user", "userid", "person", "person_id", "reviewerid", "reader"),
    "item": ("item_id", "item", "itemid", "asin", "movieid", "book_id", "news_id"),
    "time": ("timestamp", "time", "date", "unixreviewtime", "when"),
    "rating": ("rating", "overall", "score", "stars"),
}


@contextmanager
def open_people_table(path: str | Path, format: str | None = None) -> Iterator[Table]:
    """Open a file of people in any catalog format, and close it afterwards.

    Raises:
        PersonError: the file cannot be read, or its format is unknown.
    """
    source = None
    try:
        source = open_source(path)
        yield detect(source, format).open(source)
    except CatalogError as error:
        # The detail of a catalog error ("Nothing was written.") makes no sense here.
        raise PersonError(error.problem, remedy=error.remedy) from error
    finally:
        if source is not None:
            source.close()


def person_error(place: str, problem: RowProblem, remedy: str = "") -> PersonError:
    """Return the error for a row that cannot be used, with its place in the file."""
    return PersonError(f"{place}: {problem.problem}.", remedy=problem.remedy or remedy)


def first_value(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    """Return the first value in *row* under one of *names*, or None."""
    return next((row[name] for name in names if row.get(name) is not None), None)


def read_id(value: object, kind: str = "id") -> str:
    """Read the id of a person or an item; numbers count as ids.

    Raises:
        RowProblem: it is empty, or neither text nor an integer.
    """
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        article = "an" if kind[0] in "aeiou" else "a"
        raise RowProblem(f"{quoted(value)} is not {article} {kind}")
    return str(value)


def read_item_id(value: object) -> str:
    """Read the item id in an entry of a history: an id, or an object that has one.

    Raises:
        RowProblem: there is none.
    """
    if isinstance(value, Mapping):
        names = ITEM_COLUMNS
        value = first_value(value, names)
        if value is None:
            raise RowProblem(f"there is no field {' or '.join(map(repr, names))}")
    return read_id(value, "item id")


def read_item_ids(value: object) -> tuple[str, ...]:
    """Read a history from a list of item ids, a JSON list, or ids separated by commas.

    Raises:
        RowProblem: the value is none of these.
    """
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("["):
            return split_ids(text)
        try:
            value = parse_json(text)
        except ValueError as error:
            raise RowProblem(f"the history is not a JSON list: {error}") from error
    if not isinstance(value, list | tuple):
        raise RowProblem(f"the history is not a list of item ids: {quoted(value)}")
    return tuple(map(read_item_id, value))


def split_ids(text: str) -> tuple[str, ...]:
    """Return the ids in *text*, which are separated by commas."""
    return tuple(each.strip() for each in text.split(",") if each.strip())


def read_number(value: object, kind: str) -> float | None:
    """Read a number; an empty value is None.

    Raises:
        RowProblem: it is not a number.
    """
    if value is None or value == "":
        return None
    try:
        return float(value)  # type: ignore[arg-type] # other types raise TypeError
    except (TypeError, ValueError, OverflowError) as error:
        raise RowProblem(f"{quoted(value)} is not a {kind}") from error


def read_time(value: object) -> float | None:
    """Read a time as a number (usually seconds since 1970) or an ISO 8601 date; empty is None.

    Raises:
        RowProblem: it is neither.
    """
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        return _seconds(value)
    try:
        return float(value)  # type: ignore[arg-type] # dates are read below
    except (TypeError, ValueError, OverflowError):
        # An integer too large for a float must not be read as a date.
        text = "" if isinstance(value, int) else str(value)
    try:
        return _seconds(datetime.fromisoformat(text))
    except ValueError as error:
        raise RowProblem(
            f"{quoted(value)} is not a time", remedy="a number, or a date such as 2026-01-31."
        ) from error


def _seconds(moment: datetime) -> float:
    # Without a time zone, UTC: the result must not depend on the machine that reads the file.
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
