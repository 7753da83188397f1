"""Handle many vectors at once: unpacked together, or as the rows of a matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.tree.vectors import NODE_TERMS, Floats, Vector, looked_up, sum_vectors

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# A weight that was added and subtracted again may leave this much: stored vectors have half
# precision.
REMAINDER = 5e-4


@dataclass(frozen=True, slots=True, eq=False)
class UnpackedVectors:
    """A few vectors that were unpacked together; *lengths* has the number of weights of each.

    Building a scipy matrix of them would take several times as long as the computation itself.
    """

    vector: Vector
    lengths: NDArray[np.int64]

    @classmethod
    def unpack(cls, packed: Sequence[bytes], *, sparse: bool, precise: bool) -> UnpackedVectors:
        """Unpack vectors as the store holds them."""
        together = b"".join(packed)
        vector = Vector.from_bytes(together, sparse=sparse, precise=precise)
        sizes = np.fromiter(map(len, packed), np.int64, len(packed))
        return cls(vector, sizes * len(vector.weights) // max(len(together), 1))

    @property
    def ids(self) -> NDArray[np.int32]:
        """The ids of the weights of sparse vectors."""
        assert self.vector.ids is not None
        return self.vector.ids

    @property
    def owners(self) -> NDArray[np.int64]:
        """The number of the vector that each weight belongs to."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def owners_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the numbers of the vectors that the weights at *places* belong to."""
        return np.searchsorted(np.cumsum(self.lengths), places, side="right")

    def products(self, query: Vector) -> NDArray[np.floating]:
        """Return the dot product of each vector with *query*."""
        if query.ids is None:
            products: NDArray[np.floating] = self.dense() @ query.weights
            return products
        assert self.vector.ids is not None
        return self.sum_weights(self.vector.weights * looked_up(query, self.vector.ids))

    def norms(self) -> NDArray[np.floating]:
        """Return the Euclidean norm of each vector."""
        if self.vector.ids is None:
            norms: NDArray[np.floating] = np.linalg.norm(self.dense(), axis=1)
        else:
            norms = np.sqrt(self.sum_weights(self.vector.weights**2))
        return norms

    def with_sum(self, others: Sequence[Vector]) -> Vector:
        """Return the sum of these vectors and *others*."""
        if self.vector.ids is None:
            rows = [self.dense().sum(axis=0)] if len(self.lengths) else []
            return Vector(np.sum([*rows, *(each.weights for each in others)], axis=0))
        return sum_vectors([self.vector, *others])

    def with_added(
        self, owners: NDArray[np.int64], ids: NDArray[np.int32], weights: Floats
    ) -> list[Vector]:
        """Return these sparse sums with weights added, each with only its strongest weights.

        Remainders of weights that were added and subtracted again are dropped.
        """
        # A stable sort is fast here, because most ids are in order already.
        all_ids = np.concatenate([self.ids, ids])
        width = int(all_ids.max(initial=0)) + 1
        keys = np.concatenate([self.owners, owners]) * width + all_ids
        order = np.argsort(keys, kind="stable")
        keys = keys[order]
        first = np.flatnonzero(np.diff(keys, prepend=-1))
        totals = np.add.reduceat(np.concatenate([self.vector.weights, weights])[order], first)
        # A total is negative if the sum had dropped a light weight before it was subtracted.
        is_kept = totals >= REMAINDER
        keys, totals = keys[first][is_kept], totals[is_kept].astype(np.float32)
        places = (keys % width).astype(np.int32)
        ends = np.searchsorted(keys, np.arange(len(self.lengths) + 1) * width)
        return [
            Vector(totals[start:end], places[start:end]).strongest(NODE_TERMS)
            for start, end in pairwise(ends.tolist())
        ]

    def dense(self) -> Floats:
        """Return dense vectors as the rows of an array."""
        return self.vector.weights.reshape(len(self.lengths), -1)

    def sum_weights(self, weights: Floats) -> NDArray[np.floating]:
        """Return the sum for each vector, given a number for each of its weights."""
        sums = np.zeros(len(self.lengths))
        filled = np.flatnonzero(self.lengths)
        if len(filled):
            starts = np.cumsum(self.lengths) - self.lengths
            sums[filled] = np.add.reduceat(weights, starts[filled], dtype=np.float64)
        return sums


@dataclass(frozen=True, slots=True, eq=False)
class RowEntries:
    """The weights of a few sparse rows one after another, and the row that owns each."""

    owners: NDArray[np.int64]
    ids: NDArray[np.int32]
    weights: Floats
    ends: NDArray[np.int64]


def row_entries(rows: csr_matrix, numbers: NDArray[np.int64]) -> RowEntries:
    """Return the weights of some rows of a matrix, in the given order.

    Selecting the rows with scipy takes several times as long.
    """
    starts = rows.indptr[numbers]
    lengths = rows.indptr[numbers + 1] - starts
    ends = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    owners = np.repeat(np.arange(len(numbers)), lengths)
    places = np.arange(len(owners)) + (starts - ends[:-1])[owners]
    return RowEntries(owners, rows.indices[places], rows.data[places], ends)


def stack_rows(vectors: Sequence[Vector], width: int) -> csr_matrix | Floats:
    """Return vectors as the rows of a matrix; sparse ones are *width* wide."""
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
    packed = Vector(rows.data, rows.indices).to_bytes(precise=precise)
    size = len(packed) // max(len(rows.data), 1)
    ends = (rows.indptr * size).tolist()
    return [packed[start:end] for start, end in pairwise(ends)]


def row_vector(rows: csr_matrix | Floats, number: int) -> Vector:
    """Return a row as a vector, with ascending ids."""
    if isinstance(rows, np.ndarray):
        return Vector(rows[number])
    start, end = rows.indptr[number], rows.indptr[number + 1]
    ids, weights = rows.indices[start:end], rows.data[start:end]
    if len(ids) > 1 and not (np.diff(ids) > 0).all():
        order = np.argsort(ids)
        ids, weights = ids[order], weights[order]
    return Vector(weights, ids.astype(np.int32))
