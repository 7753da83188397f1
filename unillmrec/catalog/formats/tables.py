"""What every format is read as: numbered rows, and words for where a row stands."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from typing import Protocol, TypeAlias

from unillmrec.catalog.problems import RowProblem, shown
from unillmrec.catalog.sources import Source
from unillmrec.items import Item

Row: TypeAlias = dict[str, object] | Item | RowProblem
"""A row by column name, a ready item, or the reason why there is none."""

NumberedRow: TypeAlias = tuple[int, Row]
Rows: TypeAlias = Generator[NumberedRow, None, None]


class Table(Protocol):
    """Rows of one catalog, in one format."""

    label: str
    untyped: bool
    """Whether every value is text, so that types have to be inferred."""
    fixed: bool
    """Whether every row has the same columns."""
    unit: str
    """What numbers count: line, row or item."""
    preposition: str
    """What goes before a place in a sentence: on line 7, in row 7, by item 7."""
    skip_hint: str
    """How to go on without the rows that cannot be used."""
    twin_hint: str
    """How to go on when an id comes twice."""

    def rows(self) -> Rows:
        """Read from the beginning: number and content of every row that is not blank."""

    def place(self, number: int) -> str:
        """Return where row *number* stands, as the beginning of an error."""

    def mention(self, number: int) -> str:
        """Return where row *number* stands, within a sentence."""

    def line(self, number: int) -> int:
        """Return the line of row *number*, or its number where there are no lines."""


class LineTable:
    """The places of a text file: a row's number is the line it begins on."""

    untyped = False
    fixed = False
    unit = "line"
    preposition = "on"
    skip_hint = "correct the line, or pass --on-error skip."
    twin_hint = "remove one of the two, or pass --on-duplicate keep-first."

    def __init__(self, source: Source) -> None:
        self.source = source
        self.label = source.label

    def place(self, number: int) -> str:
        """Return `films.jsonl:118`."""
        return f"{self.label}:{number}"

    def mention(self, number: int) -> str:
        """Return `line 118`."""
        return f"line {number:,}"

    def line(self, number: int) -> int:
        """Return *number* itself."""
        return number


class GivenItems:
    """Items or mappings that a program hands over."""

    untyped = False
    fixed = False
    unit = "item"
    preposition = "by"
    skip_hint = 'correct the item, or pass on_error="skip".'
    twin_hint = 'remove one of the two, or pass on_duplicate="keep-first".'

    def __init__(self, items: Iterable[Item | Mapping[str, object]], label: str) -> None:
        self.label = label
        self._items = items

    def rows(self) -> Rows:
        """Number the items from one."""
        for number, item in enumerate(self._items, start=1):
            if isinstance(item, Item):
                yield number, item
            elif isinstance(item, Mapping):
                yield number, dict(item)
            else:
                yield number, RowProblem(f"{shown(item)} is neither an Item nor a mapping")

    def place(self, number: int) -> str:
        """Return `items, item 7`."""
        return f"{self.label}, item {number:,}"

    def mention(self, number: int) -> str:
        """Return `item 7`."""
        return f"item {number:,}"

    def line(self, number: int) -> int:
        """Return *number* itself."""
        return number
