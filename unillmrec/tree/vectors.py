"""Vectors of items, nodes and people, sparse (terms) or dense (given), and their similarity."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

PACKED_AT_ONCE = 10_000

# The sum of a node may use every term of the catalog. The tail beyond this many terms is noise
# that only makes the file larger: routing accuracy does not change from 512 terms on.
NODE_TERMS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Vector:
    """Weights: of the dimensions *ids* if sparse, or of all dimensions if *ids* is None."""

    weights: Floats
    ids: Ints | None = None

    def scaled(self, factor: float) -> Vector:
        """Return the vector with every weight multiplied."""
        return Vector(self.weights * np.float32(factor), self.ids)

    def unit(self) -> Vector:
        """Return the vector scaled to length one; a vector without weight stays as it is."""
        length = float(np.linalg.norm(self.weights))
        return self.scaled(1 / length) if length > 0 else self

    def strongest(self, count: int) -> Vector:
        """Return the vector with only its *count* heaviest weights; a dense one stays complete."""
        if self.ids is None or len(self.ids) <= count:
            return self
        heaviest = np.sort(np.argpartition(-np.abs(self.weights), count)[:count])
        return Vector(self.weights[heaviest], self.ids[heaviest])

    def to_bytes(self, *, precise: bool = False) -> bytes:
        """Pack for the store, in half precision unless *precise*."""
        dtype = packed_type(sparse=self.ids is not None, precise=precise)
        if self.ids is None:
            return self.weights.astype(dtype).tobytes()
        packed = np.empty(len(self.ids), dtype)
        packed["id"], packed["weight"] = self.ids, self.weights
        return packed.tobytes()

    @classmethod
    def from_bytes(cls, packed: bytes, *, sparse: bool, precise: bool = False) -> Vector:
        """Unpack what `to_bytes` packed."""
        unpacked = np.frombuffer(packed, packed_type(sparse=sparse, precise=precise))
        if not sparse:
            return cls(unpacked.astype(np.float32))
        return cls(unpacked["weight"].astype(np.float32), np.ascontiguousarray(unpacked["id"]))


@cache
def packed_type(*, sparse: bool, precise: bool = False) -> np.dtype[Any]:
    """Return the type of a packed weight, which in a sparse vector includes its id.

    Packed vectors can be concatenated and then unpacked together as one array.
    """
    weight = np.dtype(np.float32 if precise else np.float16)
    return np.dtype([("id", np.int32), ("weight", weight)]) if sparse else weight


def packed_problem(packed: Sequence[bytes], *, sparse: bool, precise: bool = False) -> str:
    """Return what is wrong with packed vectors, or nothing: their lengths, weights or term ids."""
    dtype = packed_type(sparse=sparse, precise=precise)
    lengths = set(map(len, packed))
    if any(length % dtype.itemsize for length in lengths) or (not sparse and len(lengths) > 1):
        return "has an impossible length"
    unpacked = np.frombuffer(b"".join(packed), dtype)
    if not np.isfinite(unpacked["weight"] if sparse else unpacked).all():
        return "has a weight that is not a number"
    if sparse and len(unpacked) and int(unpacked["id"].min()) < 0:
        return "has an impossible term"
    return ""


def highest_id(packed: Sequence[bytes], *, precise: bool = False) -> int:
    """Return the highest term id of packed sparse vectors; -1 if they have no weights."""
    unpacked = np.frombuffer(b"".join(packed), packed_type(sparse=True, precise=precise))
    return int(unpacked["id"].max()) if len(unpacked) else -1


@dataclass(frozen=True, slots=True, eq=False)
class PackedRows:
    """Packed rows one after another, and the position where each ends."""

    packed: bytes
    ends: NDArray[np.int64]

    def rows(self) -> list[bytes]:
        """Return the packed rows one by one."""
        return [self.packed[start:end] for start, end in pairwise([0, *self.ends.tolist()])]


def packed_parts(rows: csr_matrix | Floats, *, precise: bool = False) -> Iterator[PackedRows]:
    """Yield rows packed for the store, in large parts."""
    for first in range(0, rows.shape[0], PACKED_AT_ONCE):
        part = rows[first : first + PACKED_AT_ONCE]
        if isinstance(part, np.ndarray):
            many, ends = Vector(part.ravel()), np.arange(1, len(part) + 1) * part.shape[1]
        else:
            part.sort_indices()
            many, ends = Vector(part.data, part.indices), part.indptr[1:].astype(np.int64)
        packed = many.to_bytes(precise=precise)
        yield PackedRows(packed, ends * (len(packed) // max(len(many.weights), 1)))


def strongest_rows(rows: csr_matrix | Floats, count: int) -> csr_matrix | Floats:
    """Return rows with only the *count* heaviest weights of each; dense rows stay complete."""
    if isinstance(rows, np.ndarray):
        return rows
    rows.sort_indices()
    lengths = np.diff(rows.indptr)
    is_kept = np.ones(len(rows.data), bool)
    for row in np.flatnonzero(lengths > count).tolist():
        start, end = rows.indptr[row], rows.indptr[row + 1]
        heaviest = np.argpartition(-np.abs(rows.data[start:end]), count)[:count]
        is_kept[start:end] = False
        is_kept[start + heaviest] = True
    ends = np.concatenate([[0], np.cumsum(np.minimum(lengths, count))])
    return type(rows)((rows.data[is_kept], rows.indices[is_kept], ends), shape=rows.shape)


def unpacked_rows(
    packed: Sequence[bytes], width: int, *, sparse: bool, precise: bool = False
) -> csr_matrix | Floats:
    """Return packed vectors as the rows of a matrix; sparse ones are *width* wide."""
    dtype = packed_type(sparse=sparse, precise=precise)
    unpacked = np.frombuffer(b"".join(packed), dtype)
    if not sparse:
        return unpacked.reshape(len(packed), -1).astype(np.float32)
    from scipy.sparse import csr_matrix

    lengths = np.fromiter(map(len, packed), np.int64, len(packed)) // dtype.itemsize
    ends = np.concatenate([[0], np.cumsum(lengths)])
    weights = unpacked["weight"].astype(np.float32)
    return csr_matrix((weights, np.ascontiguousarray(unpacked["id"]), ends), (len(packed), width))


def combine(vectors: Iterable[Vector], weights: Iterable[float]) -> Vector | None:
    """Return the weighted sum of vectors, or None if there are none."""
    parts = [vector.scaled(weight) for vector, weight in zip(vectors, weights, strict=True)]
    return sum_vectors(parts) if parts else None


def sum_vectors(vectors: Sequence[Vector]) -> Vector:
    """Return the sum of vectors; without any, a sparse vector without weight."""
    if not vectors:
        return Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))
    if vectors[0].ids is None:
        return Vector(np.sum([vector.weights for vector in vectors], axis=0, dtype=np.float32))
    ids = np.concatenate([vector.ids for vector in vectors if vector.ids is not None])
    unique_ids, places = np.unique(ids, return_inverse=True)
    sums = np.bincount(places, np.concatenate([vector.weights for vector in vectors]))
    return Vector(sums.astype(np.float32), unique_ids.astype(np.int32))


@dataclass(frozen=True, slots=True, eq=False)
class StackedVectors:
    """Vectors one after another, prepared for comparisons with many others.

    If they are sparse, each weight has an id and the number of the vector that owns it. For dense
    vectors *ids* and *owner* are None.
    """

    weights: Floats
    norms: NDArray[np.floating]
    ids: Ints | None = None
    owner: NDArray[np.intp] | None = None

    @classmethod
    def of(cls, vectors: Sequence[Vector]) -> StackedVectors:
        """Stack one or more vectors."""
        if vectors[0].ids is None:
            return cls._dense(np.stack([vector.weights for vector in vectors]))
        lengths = [len(vector.weights) for vector in vectors]
        weights = np.concatenate([vector.weights for vector in vectors])
        ids = np.concatenate([vector.ids for vector in vectors if vector.ids is not None])
        return cls._sparse(ids, weights, lengths)

    @classmethod
    def of_packed(cls, packed: Sequence[bytes], *, sparse: bool) -> StackedVectors:
        """Stack packed vectors without unpacking each of them."""
        dtype = packed_type(sparse=sparse)
        unpacked = np.frombuffer(b"".join(packed), dtype)
        if not sparse:
            return cls._dense(unpacked.reshape(len(packed), -1).astype(np.float32))
        lengths = [len(each) // dtype.itemsize for each in packed]
        return cls._sparse(np.ascontiguousarray(unpacked["id"]), unpacked["weight"], lengths)

    @classmethod
    def _dense(cls, weights: Floats) -> StackedVectors:
        return cls(weights, np.linalg.norm(weights, axis=1))

    @classmethod
    def _sparse(
        cls, ids: Ints, weights: NDArray[np.floating], lengths: Sequence[int]
    ) -> StackedVectors:
        owner = np.repeat(np.arange(len(lengths)), lengths)
        squares = np.bincount(owner, weights.astype(np.float64) ** 2, len(lengths))
        return cls(weights.astype(np.float32), np.sqrt(squares), ids, owner)

    @classmethod
    def joined(cls, parts: Sequence[StackedVectors]) -> StackedVectors:
        """Return the vectors of one or more stacks as one stack."""
        weights = np.concatenate([each.weights for each in parts])
        norms = np.concatenate([each.norms for each in parts])
        if parts[0].ids is None:
            return cls(weights, norms)
        firsts = np.cumsum([0, *(len(each.norms) for each in parts[:-1])]).tolist()
        pairs = zip(parts, firsts, strict=True)
        owner = np.concatenate([each.owner + first for each, first in pairs])
        ids = np.concatenate([each.ids for each in parts if each.ids is not None])
        return cls(weights, norms, ids, owner)

    def similarities(self, query: Vector) -> Floats:
        """Return the cosine of *query* and each vector; 0 where either has no weight."""
        if self.ids is None:
            return _cosines(self.weights @ query.weights, query, self.norms)
        assert self.owner is not None
        weighed = self.weights * looked_up(query, self.ids)
        products = np.bincount(self.owner, weighed, len(self.norms)).astype(np.float64)
        return _cosines(products, query, self.norms)


def similarities(query: Vector, vectors: Sequence[Vector]) -> Floats:
    """Return the cosine of *query* and each vector; 0 where either has no weight."""
    return StackedVectors.of(vectors).similarities(query) if vectors else np.zeros(0, np.float32)


def packed_similarities(query: Vector, packed: Sequence[bytes], *, sparse: bool) -> Floats:
    """Return what `similarities` does, for packed vectors."""
    if not packed:
        return np.zeros(0, np.float32)
    return StackedVectors.of_packed(packed, sparse=sparse).similarities(query)


def looked_up(query: Vector, ids: Ints) -> Floats:
    """Return the weights of a sparse *query* for *ids*; 0 for ids that it does not have."""
    # Ids beyond the last one are clipped to the zero at the end.
    weights: Floats = _as_array(query).take(ids, mode="clip")
    return weights


# A walk compares the same taste with many branches.
@lru_cache(4)
def _as_array(query: Vector) -> Floats:
    """Return the weight of each id of a sparse vector, up to its last id, followed by a zero."""
    assert query.ids is not None
    array = np.zeros(int(query.ids.max(initial=-1)) + 2, np.float32)
    array[query.ids] = query.weights
    return array


@lru_cache(4)
def _length(query: Vector) -> float:
    return float(np.linalg.norm(query.weights))


def _cosines(products: NDArray[np.floating], query: Vector, norms: NDArray[np.floating]) -> Floats:
    below = norms * _length(query)
    safe = np.where(below > 0, below, 1)
    return np.where(below > 0, products / safe, 0).astype(np.float32)
