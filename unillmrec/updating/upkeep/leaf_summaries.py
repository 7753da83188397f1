"""Summarize the leaves that a change touched, all of them at once."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.store import EditableTree, LeafItem
from unillmrec.tree.node_summary.summary import NodeSummary
from unillmrec.tree.node_summary.typical_items import leaf_typicality, most_typical
from unillmrec.tree.node_summary.value_spans import Span, Spans, spans_by_group
from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, sum_vectors, unpacked_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Packed attributes that do not match hold no number and need not be unpacked.
_NUMBER = re.compile(r'": [-\dNI]')


def summarize_leaves(tree: EditableTree, leaves: Sequence[int]) -> dict[int, NodeSummary]:
    """Return the summary of each leaf, from the items that it holds now."""
    if not leaves:
        return {}
    items = tree.leaf_items(leaves)
    empty = sum_vectors([]) if tree.sparse else Vector(np.zeros(0, np.float32))
    summaries = {leaf: NodeSummary(0, empty, 0.0, {}, []) for leaf in leaves}
    if not items:
        return summaries
    # The store returns items leaf by leaf.
    full, starts = np.unique([each.leaf for each in items], return_index=True)
    ends = np.append(starts, len(items))
    width = int(tree.facts["next_term"])
    rows = unpacked_rows([each.packed for each in items], width, sparse=tree.sparse)
    totals, values = _totals_and_typicality(rows, ends)
    sizes = np.diff(ends)
    priors = np.add.reduceat(np.array([each.prior for each in items]), starts) / sizes
    spans = _spans(items, np.repeat(np.arange(len(full)), sizes), sizes)
    for number, places in enumerate(most_typical(values, ends)):
        summaries[int(full[number])] = NodeSummary(
            size=int(sizes[number]),
            total=totals[number],
            prior=float(priors[number]),
            spans=spans[number],
            typical=[items[place].number for place in places],
        )
    return summaries


def _totals_and_typicality(
    rows: csr_matrix | Floats, ends: NDArray[np.int64]
) -> tuple[list[Vector], NDArray[np.floating]]:
    """Return the sum of each leaf's rows, and how well each row represents its leaf."""
    lengths = np.diff(ends)
    if isinstance(rows, np.ndarray):
        dense = np.add.reduceat(rows, ends[:-1], axis=0)
        own = dense[np.repeat(np.arange(len(lengths)), lengths)]
        return [Vector(total) for total in dense], np.einsum("ij,ij->i", rows, own)
    from scipy.sparse import csr_matrix

    ones = np.ones(rows.shape[0], np.float32)
    sums = csr_matrix((ones, np.arange(len(ones)), ends), (len(lengths), len(ones))) @ rows
    sums.sort_indices()
    totals = [
        Vector(sums.data[start:end], sums.indices[start:end]).strongest(NODE_TERMS)
        for start, end in pairwise(sums.indptr.tolist())
    ]
    return totals, leaf_typicality(rows, ends, sums, range(len(lengths)))


def _spans(
    items: Sequence[LeafItem], owners: NDArray[np.int64], sizes: NDArray[np.int64]
) -> list[Spans]:
    """Return for each leaf the spans of its items' numeric attributes."""
    places = [place for place, each in enumerate(items) if _NUMBER.search(each.attributes)]
    unpacked = json.loads(f"[{','.join(items[place].attributes for place in places)}]")
    columns: defaultdict[str, tuple[list[int], list[float]]] = defaultdict(lambda: ([], []))
    for place, attributes in zip(places, unpacked, strict=True):
        for name, value in attributes.items():
            # The type must match exactly, for a bool is an int; NaN does not equal itself.
            if type(value) in (int, float) and value == value:
                at, values = columns[name]
                at.append(place)
                values.append(value)
    spans: list[dict[str, Span]] = [{} for _ in sizes]
    for name, (at, values) in columns.items():
        known = np.array(values, np.float64)
        for leaf, span in spans_by_group(known, owners[at], sizes).items():
            spans[leaf][name] = span
    return list(spans)
