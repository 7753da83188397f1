"""Many people from one file, one row each, read as a stream; a bad row is told, not fatal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unillmrec.catalog.problems import RowProblem, shown
from unillmrec.catalog.reader import open_table
from unillmrec.errors import PersonError, UnillmrecError
from unillmrec.stages import Person

ID_FIELDS = ("id", "person", "person_id", "user", "user_id")
HISTORY_FIELDS = ("history", "items", "item_ids")
LIKE_FIELDS = ("like",)
PROFILE_FIELDS = ("profile",)
_ITEM_FIELDS = ("item_id", "item", "id", "itemid")
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the file: who it is about, or why it cannot be used.

    *line* is where it stands, and its name in the journal.
    """

    line: int
    id: str
    person: Person | None
    problem: str = ""


class PeopleFile:
    """People in JSON Lines, JSON, CSV, TSV or Parquet, each text also gzipped.

    A row holds an id and a `history` (a list of item ids, oldest first; in a table with commas
    between them, or as a JSON list), a `like`, a `profile`, or several of them.
    """

    def __init__(self, path: str | Path, *, format: str | None = None) -> None:
        self.path = Path(path)
        self._format = format

    def fingerprint(self) -> tuple[str, int]:
        """Return what changes when the file does, and about how many rows it has.

        Raises:
            PersonError: it cannot be read.
        """
        digest = hashlib.sha256()
        lines = 0
        last = b"\n"
        try:
            with self.path.open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    lines += block.count(b"\n")
                    last = block[-1:]
        except OSError as error:
            raise PersonError(f"{self.path} cannot be read: {error.strerror}.") from error
        return digest.hexdigest()[:16], lines + (last != b"\n")

    def entries(self) -> Iterator[Entry]:
        """Yield the rows in their order.

        Raises:
            PersonError: it is in no format that can be read.
        """
        try:
            table = open_table(self.path, self._format)
            for line, row in table.rows():
                yield _entry(line, row)
        except UnillmrecError as error:
            raise PersonError(error.problem, remedy=error.remedy) from error


def _entry(line: int, row: object) -> Entry:
    name = ""
    try:
        if isinstance(row, RowProblem):
            raise row
        assert isinstance(row, Mapping)
        fields = {str(key).strip().lower(): value for key, value in row.items()}
        name = _id(fields)
        return Entry(line, name, _person(fields))
    except RowProblem as problem:
        return Entry(line, name, None, problem.problem)
    except PersonError as error:
        return Entry(line, name, None, error.problem.rstrip("."))


def _id(fields: Mapping[str, object]) -> str:
    value = _first(fields, ID_FIELDS)
    if isinstance(value, bool) or not isinstance(value, str | int) or str(value).strip() == "":
        raise RowProblem(
            f"{shown(value)} is no id" if value is not None else "there is no field 'id'"
        )
    name = str(value)
    # What SQLite or UTF-8 cannot hold would be another id when it comes back.
    if "\0" in name or not _is_unicode(name):
        raise RowProblem(f"{shown(value)} is no id: it holds what no text can")
    return name


def _is_unicode(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _person(fields: Mapping[str, object]) -> Person:
    history = _history(_first(fields, HISTORY_FIELDS))
    like = _text(fields, LIKE_FIELDS)
    profile = _text(fields, PROFILE_FIELDS)
    if not (history or like or profile):
        raise RowProblem("there is no history, no like and no profile")
    return Person(history, like, profile)


def _history(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        text = value.strip()
        if not text.startswith("["):
            return tuple(each.strip() for each in text.split(",") if each.strip())
        try:
            value = json.loads(text)
        except ValueError as error:
            raise RowProblem(f"the history is not a JSON list: {error}") from error
    if not isinstance(value, list | tuple):
        raise RowProblem(f"the history is no list of item ids: {shown(value)}")
    return tuple(map(_item_id, value))


def _item_id(value: object) -> str:
    if isinstance(value, Mapping):
        value = _first(value, _ITEM_FIELDS)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise RowProblem(f"{shown(value)} in the history is no item id")
    return str(value)


def _text(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    value = _first(fields, names)
    if value is not None and not isinstance(value, str):
        raise RowProblem(f"the field {names[0]!r} is no text: {shown(value)}")
    return value or ""


def _first(fields: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((fields[name] for name in names if fields.get(name) is not None), None)
