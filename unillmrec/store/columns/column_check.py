"""Compare the columns of a tree with the attributes of its items."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unillmrec.errors import StoreError
from unillmrec.store.columns.blocks import BLOCK
from unillmrec.store.columns.column import LIST_KINDS, Column, ColumnKey, hash_code
from unillmrec.store.columns.reader import SEGMENT_BLOCKS, ColumnReader, Segment
from unillmrec.store.columns.writer import as_float, values_by_column
from unillmrec.store.decoding import SELECT_ITEMS, is_intact, items_of
from unillmrec.store.item_tree import ItemTree


def find_column_damage(tree: ItemTree) -> Iterator[str]:
    """Yield a sentence for each attribute whose column differs from the items.

    Items that do not match their content hash are left out.
    """
    reader = ColumnReader(tree.rows)
    ((highest,),) = tree.rows("SELECT max(number) FROM item")
    blocks = 0 if highest is None else highest // BLOCK + 1
    wrong: dict[ColumnKey, int] = defaultdict(int)
    problems: dict[ColumnKey, str] = {}
    codes = {column.id: _codes(tree, column) for column in reader.columns}
    for first in range(0, blocks, SEGMENT_BLOCKS):
        segment = Segment(reader, first, min(first + SEGMENT_BLOCKS, blocks))
        items = _values_of_items(tree, segment)
        for column in reader.columns:
            key = (column.name, column.kind)
            try:
                wrong[key] += _differences(segment, column, items.pop(key, {}), codes[column.id])
            except StoreError as error:
                problems[key] = error.problem.rstrip(".")
        if not reader.omission():
            for key, values in items.items():
                wrong[key] += sum(_is_stored(key, value) for value in values.values())
    for key, count in wrong.items():
        if count and key not in problems:
            yield f"the columns have {count:,} other values of {key[0]!r} than the items"
    yield from problems.values()


def _codes(tree: ItemTree, column: Column) -> dict[str, int]:
    query = "SELECT text, code FROM attribute_text WHERE attribute = ?"
    return dict(tree.rows(query, (column.id,)))


def _values_of_items(tree: ItemTree, segment: Segment) -> dict[ColumnKey, dict[int, Any]]:
    """Return the values of the items of a segment, by column and position."""
    found: defaultdict[ColumnKey, dict[int, Any]] = defaultdict(dict)
    for start in range(segment.start, segment.start + segment.size, BLOCK):
        rows = tree.unchecked_rows(
            f"{SELECT_ITEMS} WHERE number >= ? AND number < ?", (start, start + BLOCK)
        )
        for each in items_of(tree.path, filter(is_intact, rows)):
            for key, value in values_by_column(each.item):
                found[key][each.number - segment.start] = value
    return found


def _is_stored(key: ColumnKey, value: Any) -> bool:
    """Return whether a column stores a value: not "not a number", and no empty list."""
    return bool(len(value)) if key[1] in LIST_KINDS else bool(value == value)


def _differences(
    segment: Segment, column: Column, values: Mapping[int, Any], codes: Mapping[str, int]
) -> int:
    """Count the items whose value in a column is not that of the item."""
    if column.kind in LIST_KINDS:
        return _list_differences(segment, column, values, codes)
    if column.kind == "number":
        numbers = np.full(segment.size, np.nan)
        numbers[list(values)] = [as_float(value) for value in values.values()]
        same = np.isclose(segment.numbers(column), numbers, rtol=0, atol=0, equal_nan=True)
        return int(np.count_nonzero(~same))
    expected = np.full(segment.size, -1)
    expected[list(values)] = [_code(value, codes) for value in values.values()]
    return int(np.count_nonzero(segment.codes(column) != expected))


def _list_differences(
    segment: Segment, column: Column, values: Mapping[int, Any], codes: Mapping[str, int]
) -> int:
    stored = segment.lists(column)
    lists = np.split(stored.codes, stored.ends[:-1])
    found = {int(owner): each.tolist() for owner, each in zip(stored.owners, lists, strict=False)}
    expected = {
        position: [_code(text, codes) for text in texts]
        for position, texts in values.items()
        if texts
    }
    return sum(found.get(each) != expected.get(each) for each in found.keys() | expected.keys())


def _code(value: str | bool, codes: Mapping[str, int]) -> int:
    if isinstance(value, bool):
        return int(value)
    return codes[value] if value in codes else hash_code(value)
