"""Vectors of the store as rows of a matrix, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, looked_up

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# What is left of a weight that was added and taken away again: vectors are kept in half precision.
REMAINDER = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A few vectors unpacked at once: behind one another if sparse, and how long each is.

    Making a matrix of them takes scipy several times as long as what is to be done with it.
    """

    vector: Vector
    lengths: NDArray[np.int64]

    @classmethod
    def unpacked(cls, packed: Sequence[bytes], *, sparse: bool, precise: bool) -> Stack:
        """Unpack what the store holds."""
        together = b"".join(packed)
        vector = Vector.from_bytes(together, sparse=sparse, precise=precise)
        sizes = np.fromiter(map(len, packed), np.int64, len(packed))
        return cls(vector, sizes * len(vector.weights) // max(len(together), 1))

    @property
    def ids(self) -> NDArray[np.int32]:
        """The places of the weights of sparse vectors."""
        assert self.vector.ids is not None
        return self.vector.ids

    @property
    def owners(self) -> NDArray[np.int64]:
        """For each weight the vector that it is of."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def owners_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for the weights at *places* the vectors that they are of."""
        return np.searchsorted(np.cumsum(self.lengths), places, side="right")

    def products(self, query: Vector) -> NDArray[np.floating]:
        """Return the product of each vector with *query*."""
        if query.ids is None:
            products: NDArray[np.floating] = self.dense() @ query.weights
            return products
        assert self.vector.ids is not None
        return self.summed(self.vector.weights * looked_up(query, self.vector.ids))

    def norms(self) -> NDArray[np.floating]:
        """Return how long each vector is as an arrow."""
        if self.vector.ids is None:
            norms: NDArray[np.floating] = np.linalg.norm(self.dense(), axis=1)
        else:
            norms = np.sqrt(self.summed(self.vector.weights**2))
        return norms

    def with_sum(self, others: Sequence[Vector]) -> Vector:
        """Return the sum of these vectors and *others*."""
        if self.vector.ids is None:
            rows = [self.dense().sum(axis=0)] if len(self.lengths) else []
            return Vector(np.sum([*rows, *(each.weights for each in others)], axis=0))
        return summed([self.vector, *others])

    def with_added(
        self, owners: NDArray[np.int64], ids: NDArray[np.int32], weights: Floats
    ) -> list[Vector]:
        """Return these sums, which are sparse, with weights added to them, the strongest kept.

        What is left of a weight that was added and taken away again is nothing.
        """
        # Most of it is in order already, and sorting finds that out.
        all_ids = np.concatenate([self.ids, ids])
        width = int(all_ids.max(initial=0)) + 1
        keys = np.concatenate([self.owners, owners]) * width + all_ids
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        totals = np.add.reduceat(np.concatenate([self.vector.weights, weights])[order], first)
        # Below zero is what a sum had lost among its lightest before it was taken away.
        kept = totals >= REMAINDER
        keys, totals = keys[first][kept], totals[kept].astype(np.float32)
        places = (keys % width).astype(np.int32)
        ends = np.searchsorted(keys, np.arange(len(self.lengths) + 1) * width)
        return [
            Vector(totals[start:end], places[start:end]).strongest(NODE_TERMS)
            for start, end in pairwise(ends.tolist())
        ]

    def dense(self) -> Floats:
        """Return dense vectors as rows."""
        return self.vector.weights.reshape(len(self.lengths), -1)

    def summed(self, weights: Floats) -> NDArray[np.floating]:
        """Return for each vector the sum of what is given for its weights."""
        sums = np.zeros(len(self.lengths))
        told = np.flatnonzero(self.lengths)
        if len(told):
            starts = np.cumsum(self.lengths) - self.lengths
            sums[told] = np.add.reduceat(weights, starts[told], dtype=np.float64)
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """The weights of a few sparse rows behind one another, and to which of them each belongs."""

    owners: NDArray[np.int64]
    ids: NDArray[np.int32]
    weights: Floats
    ends: NDArray[np.int64]


def entries(rows: csr_matrix, numbers: NDArray[np.int64]) -> Entries:
    """Return what stands in some rows of a matrix, in the order asked for.

    Making a matrix of a few rows takes scipy several times as long as this.
    """
    starts = rows.indptr[numbers]
    lengths = rows.indptr[numbers + 1] - starts
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    owners = np.repeat(np.arange(len(numbers)), lengths)
    places = np.arange(len(owners)) + (starts - ends[:-1])[owners]
    return Entries(owners, rows.indices[places], rows.data[places], ends)


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


def packed_rows(rows: csr_matrix | Floats, *, precise: bool = False) -> list[bytes]:
    """Return rows packed for the store."""
    if isinstance(rows, np.ndarray):
        return [Vector(row).to_bytes(precise=precise) for row in rows]
    whole = Vector(rows.data, rows.indices).to_bytes(precise=precise)
    size = len(whole) // max(len(rows.data), 1)
    ends = (rows.indptr * size).tolist()
    return [whole[start:end] for start, end in pairwise(ends)]


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
