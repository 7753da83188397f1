"""Vectors of the store as rows of a matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.vectors import Floats, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def as_rows(vectors: Sequence[Vector], width: int) -> csr_matrix | Floats:
    """Return vectors as rows: sparse ones *width* wide, dense ones as they are."""
    if vectors and vectors[0].ids is None:
        return np.stack([vector.weights for vector in vectors])
    from scipy.sparse import csr_matrix

    lengths = [len(vector.weights) for vector in vectors]
    weights = [vector.weights for vector in vectors] or [np.zeros(0, np.float32)]
    ids = [vector.ids for vector in vectors if vector.ids is not None] or [np.zeros(0, np.int32)]
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    return csr_matrix(
        (np.concatenate(weights), np.concatenate(ids), ends), shape=(len(vectors), width)
    )


def row_vector(rows: csr_matrix | Floats, number: int) -> Vector:
    """Return a row as a vector, its ids ascending."""
    if isinstance(rows, np.ndarray):
        return Vector(rows[number])
    start, end = rows.indptr[number], rows.indptr[number + 1]
    ids, weights = rows.indices[start:end], rows.data[start:end]
    if len(ids) > 1 and not (np.diff(ids) > 0).all():
        order = np.argsort(ids)
        ids, weights = ids[order], weights[order]
    return Vector(weights, ids.astype(np.int32))


def summed(vectors: Sequence[Vector]) -> Vector:
    """Return the sum of vectors; of none, a sparse one without weight."""
    if vectors and vectors[0].ids is None:
        return Vector(np.sum([vector.weights for vector in vectors], axis=0, dtype=np.float32))
    if not vectors:
        return Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))
    ids = np.concatenate([vector.ids for vector in vectors if vector.ids is not None])
    places, inverse = np.unique(ids, return_inverse=True)
    sums = np.bincount(inverse, np.concatenate([vector.weights for vector in vectors]))
    return Vector(sums.astype(np.float32), places.astype(np.int32))


def sum_and_closeness(
    rows: csr_matrix | Floats, first: int, last: int
) -> tuple[Vector, NDArray[np.floating]]:
    """Return the sum of the rows from *first* to before *last*, and each one's product with it."""
    if isinstance(rows, np.ndarray):
        total = rows[first:last].sum(axis=0)
        return Vector(total), rows[first:last] @ total
    start, end = rows.indptr[first], rows.indptr[last]
    places, inverse = np.unique(rows.indices[start:end], return_inverse=True)
    weights = rows.data[start:end]
    total = np.bincount(inverse, weights, len(places))
    owners = np.repeat(np.arange(last - first), np.diff(rows.indptr[first : last + 1]))
    near = np.bincount(owners, weights * total[inverse], last - first).astype(np.float64)
    return Vector(total.astype(np.float32), places.astype(np.int32)), near
