"""CSV and TSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

from unillmrec.catalog.formats.contract import CatalogFormat, Rows
from unillmrec.catalog.formats.tables import LineTable
from unillmrec.catalog.problems import (
    RowProblem,
    catalog_error,
    encoding_problem,
    quoted,
    quoted_list,
)
from unillmrec.catalog.sources import ByteSource

_MAX_FIELD = 64 << 20
_COMMON_DELIMITERS = (",", ";", "\t", "|")


class DelimitedTable(LineTable):
    """A header and one row per line, or several lines if a quoted field holds line breaks.

    Without a *delimiter*, the header tells which one is used.
    """

    untyped = True
    fixed = True

    def __init__(self, source: ByteSource, delimiter: str | None) -> None:
        super().__init__(source)
        self._delimiter = delimiter
        self._has_quotes: bool | None = None

    def rows(self) -> Rows:
        """Yield every row that is not blank, with all values as text.

        Raises:
            CatalogError: the header cannot be used.
        """
        # The reader reads everything twice, first to determine the types.
        self.source.buffer()
        if self._has_quotes is None:
            self._has_quotes = self._delimiter != "\t" or self._has_quoting()
        with self._lines() as lines:
            delimiter = self._delimiter or self._common_delimiter()
            records = _Records(lines, delimiter, has_quotes=self._has_quotes)
            header = self._header(records)
            for number, fields in records:
                if isinstance(fields, RowProblem):
                    yield number, fields
                elif (bad := _find_undecoded(fields, delimiter)) is not None:
                    yield number, self._encoding_problem(bad)
                elif len(fields) != len(header):
                    yield number, _length_problem(len(fields), len(header))
                else:
                    yield number, dict(zip(header, fields, strict=True))

    @contextmanager
    def _lines(self) -> Iterator[io.TextIOWrapper]:
        """Yield the text; bytes that are not UTF-8 become lone surrogates, and are found later.

        An error here would lose the position of the csv reader inside a quoted field.
        """
        with (
            self.source.open() as stream,
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
            if (bad := _find_undecoded(fields, ",")) is not None:
                problem = self._encoding_problem(bad)
                raise catalog_error(place, problem.problem, remedy=problem.remedy)
            # The index column that data frames write has no name.
            names = [name.strip() or f"column_{n}" for n, name in enumerate(fields, start=1)]
            duplicates = sorted({name for name in names if names.count(name) > 1})
            if duplicates:
                raise catalog_error(
                    place, f"the header names {quoted_list(duplicates)} more than once"
                )
            return names
        raise catalog_error(self.label, "it holds no header and no rows")

    def _common_delimiter(self) -> str:
        """Return the delimiter that splits the header into most fields; a comma if none does."""
        first = self.source.head.decode("utf-8-sig", "replace").lstrip().splitlines()[:1] or [""]
        fields = {each: next(csv.reader(first, delimiter=each)) for each in _COMMON_DELIMITERS}
        return max(_COMMON_DELIMITERS, key=lambda each: len(fields[each]))

    def _has_quoting(self) -> bool:
        """Return whether quotes in a TSV enclose fields, or are characters like any other.

        Both kinds of files are common. The interpretation with fewer bad rows wins: wrongly taken
        as the start of a field, the first quote of a title would swallow the following rows.
        """
        bad = self._count_bad_rows(has_quotes=False)
        return bad > 0 and self._count_bad_rows(has_quotes=True) < bad

    def _count_bad_rows(self, *, has_quotes: bool) -> int:
        with self._lines() as lines:
            width = 0
            bad = 0
            for _, fields in _Records(lines, "\t", has_quotes=has_quotes):
                if isinstance(fields, RowProblem):
                    bad += 1
                    continue
                width = width or len(fields)
                bad += len(fields) != width
        return bad

    def _encoding_problem(self, bad: tuple[str, int]) -> RowProblem:
        text, position = bad
        before = len(text[:position].encode("utf-8", "surrogateescape"))
        line = text.encode("utf-8", "surrogateescape")
        path = str(self.source.path) if self.source.path else None
        return encoding_problem(line, before, path=path, gzipped=self.source.gzipped)


class _Records:
    """The records that the csv module reads, each with the line on which it begins."""

    def __init__(self, lines: io.TextIOWrapper, delimiter: str, *, has_quotes: bool) -> None:
        # The limit is global to the process, so it is raised, and never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), _MAX_FIELD))
        self._has_quotes = has_quotes
        # Without strict, a quote that is never closed silently swallows the rest of the file.
        self._reader = csv.reader(
            lines,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if has_quotes else csv.QUOTE_NONE,
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
                yield begin, _csv_problem(error, begin, reader.line_num)
                continue
            if len(fields) > 1 or (fields and fields[0].strip()):
                yield begin, fields if self._has_quotes else [_unquoted(field) for field in fields]


def _unquoted(field: str) -> str:
    """Remove quotes that enclose a whole field, if those inside it are doubled."""
    if len(field) > 1 and field[0] == field[-1] == '"':
        inside = field[1:-1]
        if '"' not in inside.replace('""', ""):
            return inside.replace('""', '"')
    return field


def _find_undecoded(fields: list[str], delimiter: str) -> tuple[str, int] | None:
    """Return the record and the position of its first byte that is not UTF-8, if it has one."""
    text = delimiter.join(fields)
    if text.isascii():
        return None
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text, error.start
    return None


def _length_problem(found: int, expected: int) -> RowProblem:
    fields = "1 field" if found == 1 else f"{found:,} fields"
    columns = "1 column" if expected == 1 else f"{expected:,} columns"
    return RowProblem(
        f"the line has {fields}, but the header names {columns}",
        remedy="quote fields that hold the delimiter, or pass --on-error skip.",
    )


def _csv_problem(error: csv.Error, begin: int, end: int) -> RowProblem:
    message = str(error)
    until = f" (read up to line {end:,})" if end > begin else ""
    if "unexpected end" in message:
        return RowProblem(
            f"a quoted field is never closed{until}",
            remedy="close it, or write a quote at the beginning of a field as three quotes.",
        )
    if "expected after" in message:
        return RowProblem(
            f"a quoted field continues after its closing quote{until}",
            remedy='write a quote inside a quoted field twice (""), or pass --on-error skip.',
        )
    if "larger than field limit" in message:
        return RowProblem(f"a field is longer than {_MAX_FIELD >> 20} MiB{until}")
    return RowProblem(f"bad CSV: {quoted(message)}{until}")


def _guess_delimiter(start: bytes) -> bytes | None:
    """Return the first usual delimiter that is in each of the first two lines."""
    lines = start.splitlines()[:2]
    if len(lines) < 2 or any(line.startswith((b"{", b"[")) for line in lines):
        return None
    for delimiter in (b"\t", b",", b";", b"|"):
        if all(delimiter in line for line in lines):
            return delimiter
    return None


CSV = CatalogFormat(
    name="csv",
    noun="CSV",
    extensions=(".csv",),
    open=lambda source: DelimitedTable(source, None),
    matches=lambda start: _guess_delimiter(start) in (b",", b";", b"|"),
    accepts=lambda name, start: name == "tsv",
)
TSV = CatalogFormat(
    name="tsv",
    noun="TSV",
    extensions=(".tsv",),
    open=lambda source: DelimitedTable(source, "\t"),
    matches=lambda start: _guess_delimiter(start) == b"\t",
    accepts=lambda name, start: name == "csv",
)
