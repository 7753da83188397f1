"""Read the numeric attributes whose value ranges describe nodes."""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Sequence
from typing import TypeGuard

import numpy as np
from numpy.typing import NDArray

from unillmrec.items import Item, values_by_name

# Ranges are computed for this many attributes at most: a line has room for two.
RANGED_ATTRIBUTES = 8
_NOT_NUMBERS = frozenset({str, tuple, bool, type(None)})


def read_numbers(
    items: Sequence[Item], known: Collection[str], most: int = RANGED_ATTRIBUTES
) -> dict[str, dict[int, float]]:
    """Return the numbers in each attribute, by the position of the item.

    These are the numbers of *known* attributes and of new ones, up to *most* attributes in all.
    """
    numbers: dict[str, dict[int, float]] = {}
    room = most - len(known)
    for name, values in values_by_name([item.attributes for item in items]).items():
        is_new = name not in known
        # Most columns hold no numbers at all.
        if (is_new and room <= 0) or set(map(type, values.values())) <= _NOT_NUMBERS:
            continue
        column = {place: as_float(each) for place, each in values.items() if is_number(each)}
        if column:
            numbers[name] = column
            room -= is_new
    return numbers


class NumericColumns:
    """The values of the first few numeric attributes of a catalog, collected as it is read."""

    def __init__(self) -> None:
        self._columns: dict[str, array[float]] = {}
        self._count = 0

    def add(self, items: Sequence[Item]) -> None:
        """Add the values of the next items."""
        for name, numbers in read_numbers(items, self._columns).items():
            column = self._columns.setdefault(name, array("d"))
            column.extend([math.nan] * (self._count - len(column)))
            column.extend([numbers.get(place, math.nan) for place in range(len(items))])
        self._count += len(items)

    def as_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Return the value of each item by attribute; NaN where an item has none."""
        for column in self._columns.values():
            column.extend([math.nan] * (self._count - len(column)))
        return {name: np.array(column) for name, column in self._columns.items()}


def value_matrix(items: Sequence[Item], names: Sequence[str]) -> NDArray[np.float64]:
    """Return a row for each item with its values of the attributes *names*, NaN if unknown."""
    values = np.full((len(items), len(names)), math.nan)
    for name, numbers in read_numbers(items, names, len(names)).items():
        values[list(numbers), list(names).index(name)] = list(numbers.values())
    return values


def is_number(value: object) -> TypeGuard[float]:
    """Return whether the value of an attribute is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(value: float) -> float:
    """Return a number in double precision; numbers beyond its range become infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
