"""Read a catalog: one item after the other, checked, with the place of everything wrong."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Literal, TypeAlias

from unillmrec.catalog.columns import Columns, Roles, expected, missing_column, resolve
from unillmrec.catalog.formats.delimited import Delimited
from unillmrec.catalog.formats.detection import detect
from unillmrec.catalog.formats.json_rows import JsonDocument, JsonLines
from unillmrec.catalog.formats.parquet import Parquet
from unillmrec.catalog.formats.tables import GivenItems, NumberedRow, Table
from unillmrec.catalog.item_builder import Builder
from unillmrec.catalog.problems import RowProblem, catalog_error, shown
from unillmrec.catalog.sources import Source, damaged, open_source
from unillmrec.catalog.values import Kind, common_kind, flattened, kind_of
from unillmrec.errors import CatalogError
from unillmrec.items import Item

OnError: TypeAlias = Literal["stop", "skip"]
OnDuplicate: TypeAlias = Literal["stop", "keep-first"]

KEPT_SKIPPED = 1_000
"""How many skipped rows a reader remembers; it counts all of them."""

_SAMPLE = 100
_LONGEST_SAMPLE = 10_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """A row that was left out: its line (for Parquet its row), and why."""

    line: int
    problem: str


class _Repeated(RowProblem):
    """A row with the id of an earlier one."""


class CatalogReader:
    """The items of one catalog. Iterate it; every iteration reads from the beginning.

    What is kept in memory is the ids seen so far with their lines, never the items. The
    counts below are those of the current or last iteration.
    """

    def __init__(
        self,
        table: Table,
        *,
        name: str,
        source: Source | None = None,
        columns: Columns | None = None,
        on_error: OnError = "stop",
        on_duplicate: OnDuplicate = "stop",
        as_text: Collection[str] = (),
    ) -> None:
        if on_error not in ("stop", "skip") or on_duplicate not in ("stop", "keep-first"):
            raise ValueError(f"unknown on_error={on_error!r} or on_duplicate={on_duplicate!r}")
        self.name = name
        self.read = 0
        self.skipped: list[Skipped] = []
        self.skipped_count = 0
        self._table = table
        self._source = source
        self._asked = columns or Columns()
        self._on_error = on_error
        self._on_duplicate = on_duplicate
        self._as_text = as_text
        self._roles: Roles | None = None
        self._last = 0

    @property
    def size(self) -> int | None:
        """The bytes of the file as it lies on the disk, if known."""
        return self._source.size if self._source else None

    @property
    def position(self) -> int:
        """How many of these bytes were consumed."""
        return self._source.position if self._source else 0

    @property
    def columns(self) -> Columns | None:
        """Which columns were taken for what; known with the first item."""
        return self._roles.columns() if self._roles else None

    def __iter__(self) -> Iterator[Item]:
        """Yield the items.

        Raises:
            CatalogError: a row or the whole catalog cannot be used.
        """
        self.read = self.skipped_count = self._last = 0
        self.skipped = []
        self._roles = None
        try:
            yield from self._items()
        except (EOFError, zlib.error, gzip.BadGzipFile, OSError) as error:
            after = f" after {self._table.mention(self._last)}" if self._last else ""
            raise damaged(self._table.label, after, error) from error
        finally:
            if self._source is not None:
                self._source.close()

    def _items(self) -> Iterator[Item]:
        seen: dict[str, int] = {}
        with ExitStack() as opened:
            rows, builder = self._prepared(opened)
            awaited = set(self._roles.awaited) if self._roles else set()
            for number, row in rows:
                self._last = number
                try:
                    item = builder.build(row)
                    first = seen.setdefault(item.id, number)
                    if first != number:
                        raise self._repeated(item.id, first)
                except RowProblem as problem:
                    self._refuse(number, problem)
                    continue
                if awaited and isinstance(row, dict):
                    awaited.difference_update(flattened(row))
                self.read += 1
                yield item
        self._conclude(awaited)

    def _prepared(self, opened: ExitStack) -> tuple[Iterable[NumberedRow], Builder]:
        """Return all rows and what makes items of them, after a look at the first ones.

        What stays open is closed by *opened*, and not whenever the last reference goes.
        """
        rows = opened.enter_context(closing(self._table.rows()))
        pending, sample = _look_ahead(rows)
        if not self._table.untyped:
            return chain(pending, rows), self._builder(sample)
        # The types are found out in a pass of its own; two at a time would share one file.
        rows.close()
        builder = self._builder(sample)
        return opened.enter_context(closing(self._table.rows())), builder

    def _builder(self, sample: list[dict[str, object]]) -> Builder:
        if not sample:
            return Builder(expected(self._asked))
        roles = resolve(
            self._asked,
            sample,
            label=self._table.label,
            fixed=self._table.fixed,
            as_text=self._as_text,
        )
        self._roles = roles
        return Builder(roles, self._kinds(roles) if self._table.untyped else None)

    def _kinds(self, roles: Roles) -> dict[str, Kind]:
        """Read everything once to find the narrowest type that holds a whole column."""
        kinds: dict[str, Kind | None] = {}
        # Once a column is text it cannot become anything else.
        settled = set(roles.taken | roles.as_text)
        with closing(self._table.rows()) as rows:
            for _, row in rows:
                for column, value in row.items() if isinstance(row, dict) else ():
                    if column not in settled and isinstance(value, str) and (text := value.strip()):
                        kinds[column] = common_kind(kinds.get(column), kind_of(text))
                        if kinds[column] == "str":
                            settled.add(column)
        return {column: kind for column, kind in kinds.items() if kind}

    def _repeated(self, item_id: str, first: int) -> _Repeated:
        place = f"{self._table.preposition} {self._table.mention(first)}"
        return _Repeated(
            f"item id {shown(item_id)} is already used {place}", remedy=self._table.twin_hint
        )

    def _refuse(self, number: int, problem: RowProblem) -> None:
        tolerated = isinstance(problem, _Repeated) and self._on_duplicate == "keep-first"
        if self._on_error == "stop" and not tolerated:
            raise catalog_error(
                self._table.place(number),
                problem.problem,
                remedy=problem.remedy or self._table.skip_hint,
            ) from problem
        self.skipped_count += 1
        if len(self.skipped) < KEPT_SKIPPED:
            self.skipped.append(Skipped(self._table.line(number), problem.problem))

    def _conclude(self, awaited: set[str]) -> None:
        label = self._table.label
        if self.read == 0 and self.skipped:
            first = self.skipped[0]
            raise catalog_error(
                label,
                f"none of its {self.skipped_count:,} items can be used",
                detail=f"The first, {self._table.unit} {first.line:,}: {first.problem}.",
            )
        if self.read == 0:
            raise catalog_error(label, "it holds no items")
        if awaited and self._roles:
            raise missing_column(self._asked, awaited, self._roles.seen, label=label)


def _look_ahead(
    rows: Iterator[NumberedRow],
) -> tuple[list[NumberedRow], list[dict[str, object]]]:
    """Take enough rows to decide about the columns; return all taken, and the flat ones."""
    pending: list[NumberedRow] = []
    sample: list[dict[str, object]] = []
    finished = 0
    for number, row in rows:
        pending.append((number, row))
        if isinstance(row, dict):
            try:
                sample.append(flattened(row))
            except RowProblem:
                continue  # It is refused when its turn comes.
        finished += isinstance(row, Item)
        if len(sample) + finished >= _SAMPLE or len(pending) >= _LONGEST_SAMPLE:
            break
    return pending, sample


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

    *format* is one of `FORMATS`; by default the name and the first bytes tell. *as_text*
    names columns whose values stay text, whatever they look like. With *on_error* "skip",
    rows that cannot be used are left out and listed in `skipped`.

    Raises:
        CatalogError: it cannot be opened, is empty, or is in no known format.
        MissingExtraError: on reading Parquet without pyarrow.
    """
    opened = open_source(source, stdin)
    try:
        table = table_of(opened, detect(opened, format))
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
    """Treat *items*, ready or as mappings, like a file: same checks, same columns, same errors."""
    return CatalogReader(
        GivenItems(items, name),
        name=name,
        columns=columns,
        on_error=on_error,
        on_duplicate=on_duplicate,
        as_text=as_text,
    )


def open_table(source: str | Path, format: str | None = None) -> Table:
    """Return the rows of a file in any of the formats, whatever they are about.

    Raises:
        CatalogError: it cannot be opened, is empty, or is in no known format.
    """
    opened = open_source(source)
    return table_of(opened, detect(opened, format))


def table_of(source: Source, format_name: str) -> Table:
    """Return the rows of *source*, which is in the format of that name."""
    if format_name == "jsonl":
        return JsonLines(source)
    if format_name == "json":
        return JsonDocument(source)
    if format_name == "parquet":
        return Parquet(source)
    return Delimited(source, "\t" if format_name == "tsv" else None)
