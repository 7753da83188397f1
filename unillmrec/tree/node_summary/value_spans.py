"""The numeric values that most items of a node have, by attribute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.descriptions import Range

# The share of the known values that a span leaves out at each end.
TAIL = 0.05
# A range is part of a description if it is at most this share as wide as the parent's.
NARROW = 0.5

Span: TypeAlias = tuple[float, float]
Spans: TypeAlias = Mapping[str, Span]


def span_places(known: int, size: int) -> tuple[int, int] | None:
    """Return the positions of a span's ends among *known* sorted values of *size* items.

    Returns None where too few items have a value.
    """
    if known < max(2, size // 2):
        return None
    tail = int(TAIL * known)
    return tail, known - 1 - tail


def span(values: NDArray[np.float64]) -> Span | None:
    """Return the span of values, of which NaN is unknown; None where most are unknown."""
    known = np.sort(values[~np.isnan(values)])
    ends = span_places(len(known), len(values))
    return (float(known[ends[0]]), float(known[ends[1]])) if ends else None


def spans_by_group(
    values: NDArray[np.float64], owners: NDArray[np.integer], sizes: NDArray[np.integer]
) -> dict[int, Span]:
    """Return the spans of many groups at once, by the numbers of the groups.

    *values* are the known ones, *owners* the groups they belong to, *sizes* the numbers of
    items of all groups, with a value or without.
    """
    ordered = values[np.lexsort((values, owners))]
    counts = np.bincount(owners, minlength=len(sizes))
    firsts = (np.cumsum(counts) - counts).tolist()
    spans = {}
    for group in np.flatnonzero(counts).tolist():
        if ends := span_places(int(counts[group]), int(sizes[group])):
            first = firsts[group]
            spans[group] = float(ordered[first + ends[0]]), float(ordered[first + ends[1]])
    return spans


def merge_spans(parts: Sequence[tuple[Spans, int]]) -> Spans:
    """Estimate the spans of a node from the spans and the sizes of its parts."""
    merged: dict[str, Span] = {}
    for name in {name for spans, _ in parts for name in spans}:
        known_spans = [(spans[name], size) for spans, size in parts if name in spans]
        if 2 * sum(size for _, size in known_spans) >= sum(size for _, size in parts):
            low = _weighted_tail(sorted((each[0], size) for each, size in known_spans))
            high = -_weighted_tail(sorted((-each[1], size) for each, size in known_spans))
            merged[name] = (low, high)
    return dict(sorted(merged.items()))


def _weighted_tail(values: Sequence[tuple[float, int]]) -> float:
    """Return the first of ascending *values* that is beyond the tail of their weights."""
    tail = TAIL * sum(weight for _, weight in values)
    passed = 0.0
    for value, weight in values:
        passed += weight
        if passed > tail:
            return value
    return values[-1][0]


def narrow_ranges(own: Spans, outer: Spans) -> tuple[Range, ...]:
    """Return the spans in which a node is much narrower than its parent."""
    return tuple(
        Range(attribute, low, high)
        for attribute, (low, high) in own.items()
        if attribute in outer and high - low <= NARROW * (outer[attribute][1] - outer[attribute][0])
    )
