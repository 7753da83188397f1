"""Find a value by its rank among several sorted arrays without joining them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The number of double precision values from zero up to infinity.
VALUES_TO_INFINITY = 0x7FF0_0000_0000_0000


def value_at_rank(sorted_parts: Sequence[NDArray[np.float64]], rank: int) -> float:
    """Return the value at position *rank* of all parts sorted together.

    The bisection runs over all doubles in order, so that it ends whatever the values are.
    """
    low, high = -VALUES_TO_INFINITY - 1, VALUES_TO_INFINITY
    while low < high:
        middle = (low + high) // 2
        value = _double_at(middle)
        not_above = sum(int(np.searchsorted(part, value, "right")) for part in sorted_parts)
        low, high = (middle + 1, high) if not_above <= rank else (low, middle)
    # Minus zero becomes zero.
    return _double_at(low) + 0.0


def _double_at(position: int) -> float:
    """Return the double at a position in the order of all doubles; zero is at position 0."""
    bits = position if position >= 0 else (-position - 1) | (1 << 63)
    return float(np.array([bits], np.uint64).view(np.float64)[0])
