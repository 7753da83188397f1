"""What leaves hold, summed up: all the leaves of a change at once."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import EditableTree, LeafItem
from unillmrec.tree.keyword_descriptions import KEPT_TITLES, TAIL, Spans, typicality
from unillmrec.tree.vector_rows import summed
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, unpacked_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Packed attributes without it hold no number, and need not be unpacked.
_NUMBER = re.compile(r'": [-\dNI]')


@dataclass(frozen=True, slots=True)
class Content:
    """What a leaf holds: how many items, their sum, and what of them it shows."""

    size: int
    total: Vector
    prior: float
    spans: Spans
    typical: list[int]


def contents_of(tree: EditableTree, leaves: Sequence[int]) -> dict[int, Content]:
    """Sum up what leaves hold."""
    if not leaves:
        return {}
    held = tree.contents(leaves)
    empty = summed([]) if tree.sparse else Vector(np.zeros(0, np.float32))
    found = {leaf: Content(0, empty, 0.0, {}, []) for leaf in leaves}
    if not held:
        return found
    # What a leaf holds lies together, for it was read in the order of the leaves.
    full, starts = np.unique([each.leaf for each in held], return_index=True)
    ends = np.append(starts, len(held))
    width = int(tree.facts["next_term"])
    rows = unpacked_rows([each.packed for each in held], width, sparse=tree.sparse)
    totals, near = _totals_and_nearness(rows, ends)
    owners = np.repeat(np.arange(len(full)), np.diff(ends))
    nearest = np.lexsort((-near, owners))
    priors = np.add.reduceat(np.array([each.prior for each in held]), starts) / np.diff(ends)
    spans = _spans(held, owners, np.diff(ends))
    for place, (start, end) in enumerate(pairwise(ends.tolist())):
        shown = [held[at].number for at in nearest[start : min(end, start + KEPT_TITLES)]]
        found[int(full[place])] = Content(
            end - start, totals[place], float(priors[place]), spans[place], shown
        )
    return found


def _totals_and_nearness(
    rows: csr_matrix | Floats, ends: NDArray[np.int64]
) -> tuple[list[Vector], NDArray[np.floating]]:
    """Return the sum of the rows of each leaf, and how well each row stands for its leaf."""
    lengths = np.diff(ends)
    owners = np.repeat(np.arange(len(lengths)), lengths)
    if isinstance(rows, np.ndarray):
        dense = np.add.reduceat(rows, ends[:-1], axis=0)
        return [Vector(total) for total in dense], np.einsum("ij,ij->i", rows, dense[owners])
    from scipy.sparse import csr_matrix

    ones = np.ones(len(owners), np.float32)
    shape = (len(lengths), len(owners))
    sums = csr_matrix((ones, np.arange(len(owners)), ends), shape) @ rows
    sums.sort_indices()
    width = rows.shape[1]
    terms = np.diff(rows.indptr)
    keys = np.repeat(np.arange(len(lengths)), np.diff(sums.indptr)) * width + sums.indices
    asked = np.repeat(owners, terms) * width + rows.indices
    products = rows.data * sums.data[np.searchsorted(keys, asked)]
    near = np.bincount(np.repeat(np.arange(len(owners)), terms), products, len(owners)).astype(
        np.float64
    )
    totals = [
        Vector(sums.data[start:end], sums.indices[start:end]).strongest(NODE_TERMS)
        for start, end in pairwise(sums.indptr.tolist())
    ]
    return totals, typicality(near, terms)


def _spans(
    held: Sequence[LeafItem], owners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[Spans]:
    """Return for each leaf between what values most of its items lie, by attribute."""
    places = [place for place, each in enumerate(held) if _NUMBER.search(each.attributes)]
    told = json.loads(f"[{','.join(held[place].attributes for place in places)}]")
    columns: defaultdict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for place, each in zip(places, told, strict=True):
        for name, value in each.items():
            # A truth value is a number to Python, and none to people; and one is not a number.
            if type(value) in (int, float) and value == value:
                at, values = columns[name]
                at.append(place)
                values.append(value)
    spans: list[dict[str, tuple[float, float]]] = [{} for _ in sizes]
    for name, (at, values) in columns.items():
        own = owners[at]
        known = np.array(values, np.float64)
        known = known[np.lexsort((known, own))]
        counts = np.bincount(own, minlength=len(sizes))
        firsts = np.cumsum(counts) - counts
        tails = (TAIL * counts).astype(np.int64)
        for leaf in np.flatnonzero(counts >= np.maximum(2, sizes // 2)).tolist():
            low, high = firsts[leaf] + tails[leaf], firsts[leaf] + counts[leaf] - 1 - tails[leaf]
            spans[leaf][name] = float(known[low]), float(known[high])
    return list(spans)
