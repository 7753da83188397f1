"""Read the items of a catalog one by one, with the place of every problem."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from unillmrec.catalog.columns import (
    ColumnRoles,
    Columns,
    assign_roles,
    default_roles,
    missing_column_error,
)
from unillmrec.catalog.formats.contract import NumberedRow, Table
from unillmrec.catalog.formats.detection import detect
from unillmrec.catalog.formats.tables import ItemsTable
from unillmrec.catalog.item_builder import ItemBuilder
from unillmrec.catalog.problems import RowProblem, catalog_error, quoted
from unillmrec.catalog.sources import ByteSource, open_source, read_error
from unillmrec.catalog.values import ValueType, common_type, flatten, guess_type
from unillmrec.errors import CatalogError
from unillmrec.items import Item

OnError: TypeAlias = Literal["stop", "skip"]
OnDuplicate: TypeAlias = Literal["stop", "keep-first"]

MAX_SKIPPED = 1_000
"""How many skipped rows a reader lists; it counts all of them."""

_SAMPLE = 100
_MAX_SAMPLE = 10_000


@dataclass(frozen=True, slots=True)
class SkippedRow:
    """A row that was left out: its line (for Parquet its row) and the problem."""

    line: int
    problem: str


class _DuplicateId(RowProblem):
    """A row with the id of an earlier one."""


class CatalogReader:
    """The items of one catalog; every iteration reads from the beginning.

    The ids read so far and their lines are held in memory, but not the items. *read*, *skipped*
    and *skipped_count* describe the current or last iteration.
    """

    def __init__(
        self,
        table: Table,
        *,
        name: str,
        source: ByteSource | None = None,
        columns: Columns | None = None,
        on_error: OnError = "stop",
        on_duplicate: OnDuplicate = "stop",
        as_text: Collection[str] = (),
    ) -> None:
        if on_error not in ("stop", "skip") or on_duplicate not in ("stop", "keep-first"):
            raise ValueError(f"unknown on_error={on_error!r} or on_duplicate={on_duplicate!r}")
        self.name = name
        self.read = 0
        self.skipped: list[SkippedRow] = []
        self.skipped_count = 0
        self._table = table
        self._source = source
        self._requested = columns or Columns()
        self._on_error = on_error
        self._on_duplicate = on_duplicate
        self._as_text = as_text
        self._roles: ColumnRoles | None = None
        self._last_row = 0

    @property
    def size(self) -> int | None:
        """The size of the file in bytes, if known."""
        return self._source.size if self._source else None

    @property
    def position(self) -> int:
        """How many of its bytes were read so far."""
        return self._source.position if self._source else 0

    @property
    def columns(self) -> Columns | None:
        """The columns that were found for each role; known with the first item."""
        return self._roles.columns() if self._roles else None

    def __iter__(self) -> Iterator[Item]:
        """Yield the items.

        Raises:
            CatalogError: a row or the whole catalog cannot be used.
        """
        self.read = self.skipped_count = self._last_row = 0
        self.skipped = []
        self._roles = None
        try:
            yield from self._items()
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
            after = f" after {self._table.mention(self._last_row)}" if self._last_row else ""
            raise read_error(self._table.label, after, error) from error
        finally:
            if self._source is not None:
                self._source.close()

    def _items(self) -> Iterator[Item]:
        seen: dict[str, int] = {}
        with ExitStack() as stack:
            rows, builder = self._prepare(stack)
            missing = set(self._roles.missing) if self._roles else set()
            for number, row in rows:
                self._last_row = number
                try:
                    item = builder.build(row)
                    first = seen.setdefault(item.id, number)
                    if first != number:
                        raise self._duplicate_id(item.id, first)
                except RowProblem as problem:
                    self._skip_or_stop(number, problem)
                    continue
                if missing and isinstance(row, dict):
                    missing.difference_update(flatten(row))
                self.read += 1
                yield item
        self._check_result(missing)

    def _prepare(self, stack: ExitStack) -> tuple[Iterable[NumberedRow], ItemBuilder]:
        """Return all rows, and the item builder that fits the first ones.

        *stack* closes the rows; without it, they would stay open until they are collected.
        """
        rows = stack.enter_context(closing(self._table.rows()))
        first_rows, sample = _read_sample(rows)
        if not self._table.untyped:
            return chain(first_rows, rows), self._builder(sample)
        # Types take a pass of their own, and two iterations at a time would share one file.
        rows.close()
        builder = self._builder(sample)
        return stack.enter_context(closing(self._table.rows())), builder

    def _builder(self, sample: list[dict[str, object]]) -> ItemBuilder:
        if not sample:
            return ItemBuilder(default_roles(self._requested))
        roles = assign_roles(
            self._requested,
            sample,
            label=self._table.label,
            fixed=self._table.fixed,
            as_text=self._as_text,
        )
        self._roles = roles
        return ItemBuilder(roles, self._column_types(roles) if self._table.untyped else None)

    def _column_types(self, roles: ColumnRoles) -> dict[str, ValueType]:
        """Read everything once to find the narrowest type of each column."""
        types: dict[str, ValueType | None] = {}
        # A column of texts stays one, whatever follows.
        settled = set(roles.used | roles.as_text)
        with closing(self._table.rows()) as rows:
            for _, row in rows:
                for column, value in row.items() if isinstance(row, dict) else ():
                    if column not in settled and isinstance(value, str) and (text := value.strip()):
                        types[column] = common_type(types.get(column), guess_type(text))
                        if types[column] == "str":
                            settled.add(column)
        return {column: type_ for column, type_ in types.items() if type_}

    def _duplicate_id(self, item_id: str, first: int) -> _DuplicateId:
        place = f"{self._table.preposition} {self._table.mention(first)}"
        return _DuplicateId(
            f"item id {quoted(item_id)} is already used {place}", remedy=self._table.duplicate_hint
        )

    def _skip_or_stop(self, number: int, problem: RowProblem) -> None:
        tolerated = isinstance(problem, _DuplicateId) and self._on_duplicate == "keep-first"
        if self._on_error == "stop" and not tolerated:
            raise catalog_error(
                self._table.place(number),
                problem.problem,
                remedy=problem.remedy or self._table.skip_hint,
            ) from problem
        self.skipped_count += 1
        if len(self.skipped) < MAX_SKIPPED:
            self.skipped.append(SkippedRow(self._table.line(number), problem.problem))

    def _check_result(self, missing: set[str]) -> None:
        label = self._table.label
        if self.read == 0 and self.skipped:
            first = self.skipped[0]
            raise catalog_error(
                label,
                f"none of its {self.skipped_count:,} items can be used",
                detail=f"The first, {self._table.unit} {first.line:,}: {first.problem}.",
            )
        if self.read == 0:
            raise catalog_error(label, "it contains no items")
        if missing and self._roles:
            raise missing_column_error(self._requested, missing, self._roles.seen, label=label)


def _read_sample(
    rows: Iterator[NumberedRow],
) -> tuple[list[NumberedRow], list[dict[str, object]]]:
    """Read enough rows to assign the columns; return them, and the usable ones flattened."""
    first_rows: list[NumberedRow] = []
    sample: list[dict[str, object]] = []
    items = 0
    for number, row in rows:
        first_rows.append((number, row))
        if isinstance(row, dict):
            try:
                sample.append(flatten(row))
            except RowProblem:
                continue  # It is reported when it is built.
        items += isinstance(row, Item)
        if len(sample) + items >= _SAMPLE or len(first_rows) >= _MAX_SAMPLE:
            break
    return first_rows, sample


def read_catalog(
    source: str | Path,
    *,
    format: str | None = None,
    columns: Columns | None = None,
    on_error: OnError = "stop",
    on_duplicate: OnDuplicate = "stop",
    as_text: Collection[str] = (),
    stdin: BinaryIO | None = None,
) -> CatalogReader:
    """Open the catalog *source*, a file or `-` for standard input, for reading.

    *format* is one of `FORMATS`; by default it is determined from the name and the first bytes.
    The values of *as_text* columns stay text, even if they look like numbers. With *on_error*
    "skip", rows that cannot be used are left out and listed in `skipped`.

    Raises:
        CatalogError: it cannot be opened, is empty, or is in no known format.
        MissingExtraError: on reading Parquet without pyarrow.
    """
    opened = open_source(source, stdin)
    try:
        table = detect(opened, format).open(opened)
    except CatalogError:
        opened.close()
        raise
    return CatalogReader(
        table,
        name=opened.name,
        source=opened,
        columns=columns,
        on_error=on_error,
        on_duplicate=on_duplicate,
        as_text=as_text,
    )


def catalog_from_items(
    items: Iterable[Item | Mapping[str, object]],
    *,
    columns: Columns | None = None,
    on_error: OnError = "stop",
    on_duplicate: OnDuplicate = "stop",
    as_text: Collection[str] = (),
    name: str = "items",
) -> CatalogReader:
    """Read *items*, which may be mappings, like a file, with the same checks and errors."""
    return CatalogReader(
        ItemsTable(items, name),
        name=name,
        columns=columns,
        on_error=on_error,
        on_duplicate=on_duplicate,
        as_text=as_text,
    )
