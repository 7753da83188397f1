"""Turn rows into items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unillmrec.catalog.columns import ColumnRoles
from unillmrec.catalog.formats.contract import Row
from unillmrec.catalog.problems import RowProblem, quoted
from unillmrec.catalog.values import (
    LARGEST_INT,
    ValueType,
    clean_text,
    convert,
    flatten,
    parse_attribute,
    parse_id,
    parse_text,
    parse_texts,
    parse_title,
    to_plain,
    to_text,
)
from unillmrec.items import Item, Value

# Beyond this many different column names, new ones are checked each time they occur.
_MAX_CHECKED_NAMES = 10_000
_NUMBERS = frozenset({float, int, bool})


class ItemBuilder:
    """Turns rows into items, in a few microseconds each.

    *types* are the types of the columns of a file in which all values are text; without it,
    values keep their types. The common cases (a short id, a plain text) are handled here, all
    others in `values`.
    """

    def __init__(self, roles: ColumnRoles, types: Mapping[str, ValueType] | None = None) -> None:
        self._id = roles.id
        self._title = roles.title
        self._text = roles.text
        self._has_no_text = frozenset(roles.text).isdisjoint
        self._path = roles.path
        self._has_no_path = frozenset(roles.path).isdisjoint
        self._separator = roles.separator
        self._used = roles.used
        self._as_text = roles.as_text
        self._types = types
        self._checked_names: set[str] = set()

    def build(self, row: Row) -> Item:
        """Return the item of a row.

        Raises:
            RowProblem: the row cannot be used.
        """
        if not isinstance(row, dict):
            if isinstance(row, RowProblem):
                raise row
            return _checked_item(row)
        if dict in map(type, row.values()):
            row = flatten(row)
        identity = row.get(self._id)
        # A printable text has no control characters, half surrogates or invisible marks.
        if type(identity) is str:
            identity = identity.strip()
        if not (type(identity) is str and identity.isprintable() and 0 < len(identity) < 64):
            identity = parse_id(identity, self._id)
        name = row.get(self._title)
        if not (type(name) is str and name.isprintable() and name.strip()):
            name = parse_title(name, self._title)
        attributes = (
            self._attributes(row)
            if self._types is None
            else self._typed_attributes(row, self._types)
        )
        text = "" if self._has_no_text(row) else self._joined_text(row)
        path = () if self._has_no_path(row) else self._joined_path(row)
        return Item(identity, name.strip(), text, path, attributes)

    def _joined_text(self, row: Mapping[str, object]) -> str:
        parts = [parse_text(row[column], column) for column in self._text if column in row]
        return "\n".join(filter(None, parts)) if len(parts) > 1 else "".join(parts)

    def _attributes(self, row: Mapping[str, Any]) -> dict[str, Value]:
        attributes: dict[str, Value] = {}
        for column, value in row.items():
            if column in self._used:
                continue
            if column not in self._checked_names:
                self._check_name(column)
            if self._as_text and column in self._as_text:
                value = _text_value(value, column)
            parsed: Value | None
            if type(value) is str and value.isprintable():
                parsed = value.strip() or None
            elif type(value) in _NUMBERS and -LARGEST_INT <= value <= LARGEST_INT:
                parsed = value
            else:
                parsed = parse_attribute(value, column)
            if parsed is not None:
                attributes[column] = parsed
        return attributes

    def _typed_attributes(
        self, row: Mapping[str, object], types: Mapping[str, ValueType]
    ) -> dict[str, Value]:
        attributes: dict[str, Value] = {}
        for column, value in row.items():
            if column not in self._used:
                parsed = convert(str(value), types.get(column, "str"), column)
                if parsed is not None:
                    attributes[column] = parsed
        return attributes

    def _check_name(self, column: str) -> None:
        if not clean_text(column, column):
            raise RowProblem("a column has an empty name")
        if len(self._checked_names) < _MAX_CHECKED_NAMES:
            self._checked_names.add(column)

    def _joined_path(self, row: Mapping[str, object]) -> tuple[str, ...]:
        levels: tuple[str, ...] = ()
        for column in self._path:
            if column in row:
                levels += self._levels(row[column], column)
        return levels

    def _levels(self, raw: object, column: str) -> tuple[str, ...]:
        value = to_plain(raw, column)
        if isinstance(value, list):
            # Of several paths, the first one is the main one.
            if value and isinstance(value[0], (list, tuple)):
                value = list(value[0])
            if len(value) != 1:
                if any(isinstance(each, (Mapping, list, tuple)) for each in value):
                    raise RowProblem(f"the path in column {quoted(column)} is not a list of texts")
                return parse_texts(value, column)
            value = value[0]
        text = parse_text(value, column)
        levels = text.split(self._separator) if self._separator else [text]
        return tuple(level.strip() for level in levels if level.strip())


def _text_value(raw: object, column: str) -> object:
    value = to_plain(raw, column)
    return value if value is None or isinstance(value, list) else to_text(value)


def _checked_item(item: Item) -> Item:
    """Check an item of a program like one that is read from a file."""
    attributes = {}
    for column, raw in item.attributes.items():
        value = parse_attribute(raw, clean_text(column, column))
        if value is not None:
            attributes[column] = value
    return Item(
        parse_id(item.id, "id"),
        parse_title(item.title, "title"),
        parse_text(item.text, "text"),
        parse_texts(item.path, "path"),
        attributes,
    )
