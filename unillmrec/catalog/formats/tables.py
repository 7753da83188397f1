"""Tables of text files, and of items that a program passes in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from unillmrec.catalog.formats.contract import Rows
from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.catalog.sources import ByteSource
from unillmrec.items import Item


class LineTable:
    """A table of a text file; the number of a row is the line on which it begins."""

    untyped = False
    fixed = False
    unit = "line"
    preposition = "on"
    skip_hint = "correct the line, or pass --on-error skip."
    duplicate_hint = "remove one of the two, or pass --on-duplicate keep-first."

    def __init__(self, source: ByteSource) -> None:
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


class ItemsTable:
    """Items or mappings that a program passes in."""

    untyped = False
    fixed = False
    unit = "item"
    preposition = "by"
    skip_hint = 'correct the item, or pass on_error="skip".'
    duplicate_hint = 'remove one of the two, or pass on_duplicate="keep-first".'

    def __init__(self, items: Iterable[Item | Mapping[str, object]], label: str) -> None:
        self.label = label
        self._items = items

    def rows(self) -> Rows:
        """Yield the items, numbered from one."""
        for number, item in enumerate(self._items, start=1):
            if isinstance(item, Item):
                yield number, item
            elif isinstance(item, Mapping):
                yield number, dict(item)
            else:
                yield number, RowProblem(f"{quoted(item)} is neither an Item nor a mapping")

    def place(self, number: int) -> str:
        """Return `items, item 7`."""
        return f"{self.label}, item {number:,}"

    def mention(self, number: int) -> str:
        """Return `item 7`."""
        return f"item {number:,}"

    def line(self, number: int) -> int:
        """Return *number* itself."""
        return number
