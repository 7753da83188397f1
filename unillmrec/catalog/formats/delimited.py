"""Rows from CSV and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from unillmrec.catalog.formats.tables import LineTable, Rows
from unillmrec.catalog.problems import (
    RowProblem,
    catalog_error,
    listed,
    not_utf8,
    shown,
)
from unillmrec.catalog.sources import Source

_LONGEST_FIELD = 64 << 20
_COMMON_DELIMITERS = (",", ";", "\t", "|")


class Delimited(LineTable):
    """A header and one row a line, or several lines where a quoted field holds line breaks.

    *delimiter* is found out from the header when it is `None`.
    """

    untyped = True
    fixed = True

    def __init__(self, source: Source, delimiter: str | None) -> None:
        super().__init__(source)
        self._delimiter = delimiter
        self._quoted: bool | None = None

    def rows(self) -> Rows:
        """Yield every row that is not blank; all values are text.

        Raises:
            CatalogError: the header cannot be used.
        """
        # Types are found out by reading everything once before; a pipe has to be kept for it.
        self.source.keep()
        if self._quoted is None:
            self._quoted = self._delimiter != "\t" or self._has_quoting()
        with self._lines() as lines:
            delimiter = self._delimiter or self._common_delimiter()
            records = _Records(lines, delimiter, quoted=self._quoted)
            header = self._header(records)
            for number, fields in records:
                if isinstance(fields, RowProblem):
                    yield number, fields
                elif (bad := _undecoded(fields, delimiter)) is not None:
                    yield number, self._encoding(bad)
                elif len(fields) != len(header):
                    yield number, _ragged(len(fields), len(header))
                else:
                    yield number, dict(zip(header, fields, strict=True))

    @contextmanager
    def _lines(self) -> Iterator[io.TextIOWrapper]:
        """Give the text; a byte that is not UTF-8 becomes a lone surrogate, found out later.

        Raising at once would lose the reader's place within a quoted field.
        """
        with (
            self.source.opened() as stream,
            io.TextIOWrapper(
                cast("io.BufferedReader", stream),
                encoding="utf-8-sig",
                errors="surrogateescape",
                newline="",
            ) as lines,
        ):
            yield lines

    def _header(self, records: _Records) -> list[str]:
        for number, fields in records:
            place = f"{self.label}:{number}"
            if isinstance(fields, RowProblem):
                raise catalog_error(place, fields.problem, remedy=fields.remedy)
            if (bad := _undecoded(fields, ",")) is not None:
                problem = self._encoding(bad)
                raise catalog_error(place, problem.problem, remedy=problem.remedy)
            # The index that data frames write has no name.
            names = [name.strip() or f"column_{n}" for n, name in enumerate(fields, start=1)]
            twins = sorted({name for name in names if names.count(name) > 1})
            if twins:
                raise catalog_error(place, f"the header names {listed(twins)} more than once")
            return names
        raise catalog_error(self.label, "it holds no header and no rows")

    def _common_delimiter(self) -> str:
        """Return the character that parts the header into most fields; a comma when in doubt."""
        first = self.source.head.decode("utf-8-sig", "replace").lstrip().splitlines()[:1] or [""]
        fields = {each: next(csv.reader(first, delimiter=each)) for each in _COMMON_DELIMITERS}
        return max(_COMMON_DELIMITERS, key=lambda each: len(fields[each]))

    def _has_quoting(self) -> bool:
        """Find out whether quotes in a TSV are quoting, or characters like any other.

        Both kinds are common. Taken for quoting where they are none, a title that begins
        with a quote swallows the rows after it; so the reading with fewer bad rows wins.
        """
        bad = self._bad_rows(quoted=False)
        return bad > 0 and self._bad_rows(quoted=True) < bad

    def _bad_rows(self, *, quoted: bool) -> int:
        with self._lines() as lines:
            width = 0
            bad = 0
            for _, fields in _Records(lines, "\t", quoted=quoted):
                if isinstance(fields, RowProblem):
                    bad += 1
                    continue
                width = width or len(fields)
                bad += len(fields) != width
        return bad

    def _encoding(self, problem: tuple[str, int]) -> RowProblem:
        text, position = problem
        before = len(text[:position].encode("utf-8", "surrogateescape"))
        line = text.encode("utf-8", "surrogateescape")
        path = str(self.source.path) if self.source.path else None
        return not_utf8(line, before, path=path, gzipped=self.source.gzipped)


class _Records:
    """What the csv module reads, each record with the line it begins on."""

    def __init__(self, lines: io.TextIOWrapper, delimiter: str, *, quoted: bool) -> None:
        # The limit belongs to the whole process: it is raised, and never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), _LONGEST_FIELD))
        self._quoted = quoted
        # Without strict, a quote that is never closed swallows the rest of the file in silence.
        self._reader = csv.reader(
            lines,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            strict=True,
        )

    def __iter__(self) -> Iterator[tuple[int, list[str] | RowProblem]]:
        reader = self._reader
        while True:
            begin = reader.line_num + 1
            try:
                fields = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield begin, _quoting_problem(error, begin, reader.line_num)
                continue
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield begin, fields if self._quoted else [_unquoted(field) for field in fields]


def _unquoted(field: str) -> str:
    """Take off quotes that enclose a whole field, if those inside it are doubled."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        inside = field[1:-1]
        if '"' not in inside.replace('""', ""):
            return inside.replace('""', '"')
    return field


def _undecoded(fields: list[str], delimiter: str) -> tuple[str, int] | None:
    """Return the record and where in it a byte stands that could not be decoded."""
    text = delimiter.join(fields)
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text, error.start
    return None


def _ragged(found: int, expected: int) -> RowProblem:
    fields = "1 field" if found == 1 else f"{found:,} fields"
    columns = "1 column" if expected == 1 else f"{expected:,} columns"
    return RowProblem(
        f"the line has {fields}, but the header names {columns}",
        remedy="quote fields that hold the delimiter, or pass --on-error skip.",
    )


def _quoting_problem(error: csv.Error, begin: int, end: int) -> RowProblem:
    message = str(error)
    until = f" (read up to line {end:,})" if end > begin else ""
    if "unexpected end" in message:
        return RowProblem(
            f"a quoted field is never closed{until}",
            remedy="close it, or write a quote that begins a field as three quotes.",
        )
    if "expected after" in message:
        return RowProblem(
            f"a quoted field goes on after its closing quote{until}",
            remedy='write a quote inside a quoted field twice (""), or pass --on-error skip.',
        )
    if "larger than field limit" in message:
        return RowProblem(f"a field is longer than {_LONGEST_FIELD >> 20} MiB{until}")
    return RowProblem(f"bad CSV: {shown(message)}{until}")
