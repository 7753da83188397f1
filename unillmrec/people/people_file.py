"""Stream many people from one file, one row each; unusable rows are reported, not fatal."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.errors import PersonError
from unillmrec.people.fields import (
    HISTORY_COLUMNS,
    LIKE_COLUMNS,
    PERSON_COLUMNS,
    PROFILE_COLUMNS,
    first_value,
    open_people_table,
    read_id,
    read_item_ids,
)
from unillmrec.stages import Person

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A row of the file: the person in it, or the problem that makes it unusable.

    *line* is the line in the file; the journal of a batch identifies rows by it.
    """

    line: int
    id: str
    person: Person | None
    problem: str = ""


class PeopleFile:
    """People in JSON Lines, JSON, CSV, TSV or Parquet; text formats may be gzipped.

    A row has an id and at least one of `history` (a list of item ids, oldest first; in a
    table separated by commas, or as a JSON list), `like` and `profile`.
    """

    def __init__(self, path: str | Path, *, format: str | None = None) -> None:
        self.path = Path(path)
        self._format = format

    def fingerprint(self) -> tuple[str, int]:
        """Return a digest of the content, and the number of lines as an estimate of the rows.

        Raises:
            PersonError: the file cannot be read.
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

    def rows(self) -> Iterator[PersonRow]:
        """Yield the rows in the order of the file.

        Raises:
            PersonError: the file cannot be read, or its format is unknown.
        """
        with open_people_table(self.path, self._format) as table:
            for line, row in table.rows():
                yield _person_row(line, row)


def _person_row(line: int, row: object) -> PersonRow:
    person_id = ""
    try:
        if isinstance(row, RowProblem):
            raise row
        assert isinstance(row, Mapping)
        fields = {str(key).strip().lower(): value for key, value in row.items()}
        person_id = _read_person_id(fields)
        return PersonRow(line, person_id, _read_person(fields))
    except RowProblem as problem:
        return PersonRow(line, person_id, None, problem.problem)
    except PersonError as error:
        return PersonRow(line, person_id, None, error.problem.rstrip("."))


def _read_person_id(fields: Mapping[str, object]) -> str:
    value = first_value(fields, PERSON_COLUMNS)
    if value is None:
        raise RowProblem("there is no field 'id'")
    person_id = read_id(value)
    if not person_id.strip():
        raise RowProblem(f"{quoted(value)} is not an id")
    # SQLite and UTF-8 cannot store these: the id would change when it is read back.
    if "\0" in person_id or not _is_unicode(person_id):
        raise RowProblem(f"{quoted(value)} is not an id: it contains invalid characters")
    return person_id


def _is_unicode(text: str) -> bool:
    """Return whether *text* contains no lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_person(fields: Mapping[str, object]) -> Person:
    history = read_item_ids(first_value(fields, HISTORY_COLUMNS))
    like = _read_text(fields, LIKE_COLUMNS)
    profile = _read_text(fields, PROFILE_COLUMNS)
    if not (history or like or profile):
        raise RowProblem("there is no history, no like and no profile")
    return Person(history, like, profile)


def _read_text(fields: Mapping[str, object], names: tuple[str, ...]) -> str:
    value = first_value(fields, names)
    if value is not None and not isinstance(value, str):
        raise RowProblem(f"the field {names[0]!r} is not text: {quoted(value)}")
    return value or ""
