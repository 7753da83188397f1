"""From a row to an item."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unillmrec.catalog.columns import Roles
from unillmrec.catalog.formats.tables import Row
from unillmrec.catalog.problems import RowProblem, shown
from unillmrec.catalog.values import (
    LARGEST_INT,
    Kind,
    as_text,
    attribute,
    checked,
    flattened,
    item_id,
    plain,
    prose,
    texts,
    title,
    typed,
)
from unillmrec.items import Item, Value

# Beyond this many different column names, new ones are checked every time they come.
_REMEMBERED = 10_000
_NUMBERS = frozenset({float, int, bool})


class Builder:
    """Turns rows into items, a few microseconds each.

    *kinds* are the types of columns that hold only text; without it, values keep the
    types they come with. The common cases (a short id, a plain text) are decided here,
    all others in `values`.
    """

    def __init__(self, roles: Roles, kinds: Mapping[str, Kind] | None = None) -> None:
        self._id = roles.id
        self._title = roles.title
        self._text = roles.text
        self._no_text = frozenset(roles.text).isdisjoint
        self._path = roles.path
        self._no_path = frozenset(roles.path).isdisjoint
        self._separator = roles.separator
        self._taken = roles.taken
        self._as_text = roles.as_text
        self._kinds = kinds
        self._known: set[str] = set()

    def build(self, row: Row) -> Item:
        """Return the item that *row* describes.

        Raises:
            RowProblem: it describes none.
        """
        if not isinstance(row, dict):
            if isinstance(row, RowProblem):
                raise row
            return _verified(row)
        if dict in map(type, row.values()):
            row = flattened(row)
        identity = row.get(self._id)
        # What can be printed holds no control characters, half surrogates or invisible marks.
        if type(identity) is str:
            identity = identity.strip()
        if not (type(identity) is str and identity.isprintable() and 0 < len(identity) < 64):
            identity = item_id(identity, self._id)
        name = row.get(self._title)
        if not (type(name) is str and name.isprintable() and name.strip()):
            name = title(name, self._title)
        attributes = self._natural(row) if self._kinds is None else self._typed(row, self._kinds)
        text = "" if self._no_text(row) else self._prose(row)
        path = () if self._no_path(row) else self._categories(row)
        return Item(identity, name.strip(), text, path, attributes)

    def _prose(self, row: Mapping[str, object]) -> str:
        parts = [prose(row[column], column) for column in self._text if column in row]
        return "\n".join(filter(None, parts)) if len(parts) > 1 else "".join(parts)

    def _natural(self, row: Mapping[str, Any]) -> dict[str, Value]:
        attributes: dict[str, Value] = {}
        for column, given in row.items():
            if column in self._taken:
                continue
            if column not in self._known:
                self._check_name(column)
            if self._as_text and column in self._as_text:
                given = _kept_text(given, column)
            kept: Value | None
            if type(given) is str and given.isprintable():
                kept = given.strip() or None
            elif type(given) in _NUMBERS and -LARGEST_INT <= given <= LARGEST_INT:
                kept = given
            else:
                kept = attribute(given, column)
            if kept is not None:
                attributes[column] = kept
        return attributes

    def _typed(self, row: Mapping[str, object], kinds: Mapping[str, Kind]) -> dict[str, Value]:
        attributes: dict[str, Value] = {}
        for column, given in row.items():
            if column not in self._taken:
                kept = typed(str(given), kinds.get(column, "str"), column)
                if kept is not None:
                    attributes[column] = kept
        return attributes

    def _check_name(self, column: str) -> None:
        if not checked(column, column):
            raise RowProblem("a column has an empty name")
        if len(self._known) < _REMEMBERED:
            self._known.add(column)

    def _categories(self, row: Mapping[str, object]) -> tuple[str, ...]:
        levels: tuple[str, ...] = ()
        for column in self._path:
            if column in row:
                levels += self._levels(row[column], column)
        return levels

    def _levels(self, given: object, column: str) -> tuple[str, ...]:
        value = plain(given, column)
        if isinstance(value, list):
            # Some catalogs give several paths; the first one is the main one.
            if value and isinstance(value[0], (list, tuple)):
                value = list(value[0])
            if len(value) != 1:
                if any(isinstance(each, (Mapping, list, tuple)) for each in value):
                    raise RowProblem(f"the path in column {shown(column)} is no list of texts")
                return texts(value, column)
            value = value[0]
        text = prose(value, column)
        levels = text.split(self._separator) if self._separator else [text]
        return tuple(level.strip() for level in levels if level.strip())


def _kept_text(given: object, column: str) -> object:
    value = plain(given, column)
    return value if value is None or isinstance(value, list) else as_text(value)


def _verified(item: Item) -> Item:
    """Hold a ready item to the same rules as one that is read."""
    attributes = {}
    for column, given in item.attributes.items():
        kept = attribute(given, checked(column, column))
        if kept is not None:
            attributes[column] = kept
    return Item(
        item_id(item.id, "id"),
        title(item.title, "title"),
        prose(item.text, "text"),
        texts(item.path, "path"),
        attributes,
    )
