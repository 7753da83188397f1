"""What a file format provides: how its files are recognized, and how their rows are read."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from unillmrec.catalog.problems import RowProblem
from unillmrec.catalog.sources import ByteSource
from unillmrec.items import Item

Row: TypeAlias = dict[str, object] | Item | RowProblem
"""A row by column name, a finished item, or the reason why the row cannot be used."""

NumberedRow: TypeAlias = tuple[int, Row]
Rows: TypeAlias = Generator[NumberedRow, None, None]


class Table(Protocol):
    """The rows of one catalog."""

    label: str
    """The name of the file in messages."""
    untyped: bool
    """Whether all values are text, so that their types have to be determined."""
    fixed: bool
    """Whether all rows have the same columns."""
    unit: str
    """What a row's number counts: line, row or item."""
    preposition: str
    """The word before a place in a sentence: *on* line 7, *in* row 7, *by* item 7."""
    skip_hint: str
    """How to continue without unusable rows."""
    duplicate_hint: str
    """How to continue when an id occurs twice."""

    def rows(self) -> Rows:
        """Read from the beginning; yield number and content of each row that is not blank."""

    def place(self, number: int) -> str:
        """Return the place of a row for the beginning of a message."""

    def mention(self, number: int) -> str:
        """Return the place of a row for the middle of a sentence."""

    def line(self, number: int) -> int:
        """Return the line of a row, or its number if the format has no lines."""


@dataclass(frozen=True, slots=True)
class CatalogFormat:
    """A file format. *noun* names it in messages; *extensions* are in lower case.

    *matches* recognizes it by the first bytes. *accepts* tells whether a file that matches another
    format may be meant as this one: it gets the name of that format and the first bytes. Text
    formats get these bytes without a byte order mark and leading space.
    """

    name: str
    noun: str
    extensions: tuple[str, ...]
    open: Callable[[ByteSource], Table]
    matches: Callable[[bytes], bool]
    accepts: Callable[[str, bytes], bool] = lambda name, head: False
    is_text: bool = True
    shares_extensions_with: frozenset[str] = frozenset()
    """Other formats that files with these extensions often hold."""
