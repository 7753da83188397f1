"""The values of 4,096 consecutive items, packed small and read fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK = 4_096

Mask: TypeAlias = NDArray[np.bool_]
Values: TypeAlias = NDArray[Any]

# How the items that have a value are given: all of them, a bit for each, or their places.
_EVERY, _BITS, _PLACES = 0, 1, 2
_TYPES = tuple(np.dtype(name) for name in ("<u1", "<i1", "<u2", "<i2", "<i4", "<i8", "<f8"))
_WHOLE = _TYPES[:6]
_PLACE = np.dtype("<u2")
_HEADER = 3


@dataclass(frozen=True, slots=True)
class Block:
    """Which of a block's items have values, and these: one for each, or *counts* of them."""

    present: Mask
    values: Values
    counts: Values | None = None

    def pack(self) -> bytes:
        """Return the block as bytes; `unpack` reads them."""
        values = _narrow(self.values)
        form, present = _packed_mask(self.present)
        parts = [present]
        counted = 255
        if self.counts is not None:
            counts = _narrow(self.counts)
            counted = _TYPES.index(counts.dtype)
            parts.append(counts.tobytes())
        header = bytes([form, _TYPES.index(values.dtype), counted])
        return b"".join([header, *parts, values.tobytes()])

    @classmethod
    def unpack(cls, packed: bytes) -> Block:
        """Read what `pack` wrote.

        Raises:
            ValueError: the bytes are no such thing.
        """
        if len(packed) < _HEADER or packed[0] > _PLACES or packed[1] >= len(_TYPES):
            raise ValueError("the header of a block is damaged")
        present, position = _unpacked_mask(packed)
        many = int(np.count_nonzero(present))
        counts = None
        if packed[2] != 255:
            kind = _TYPES[packed[2]]
            counts = np.frombuffer(packed, kind, many, position)
            position += many * kind.itemsize
            many = int(counts.sum(dtype=np.int64))
        values = np.frombuffer(packed, _TYPES[packed[1]], many, position)
        return cls(present, values, counts)


def _packed_mask(present: Mask) -> tuple[int, bytes]:
    places = np.flatnonzero(present)
    if len(places) == BLOCK:
        return _EVERY, b""
    if 2 * len(places) + 2 < BLOCK // 8:
        count = np.array([len(places)], _PLACE)
        return _PLACES, count.tobytes() + places.astype(_PLACE).tobytes()
    return _BITS, np.packbits(present).tobytes()


def _unpacked_mask(packed: bytes) -> tuple[Mask, int]:
    """Return which items have values, and where the packed mask ends."""
    if packed[0] == _EVERY:
        return np.ones(BLOCK, np.bool_), _HEADER
    if packed[0] == _BITS:
        bits = np.frombuffer(packed, np.uint8, BLOCK // 8, _HEADER)
        return np.unpackbits(bits).view(np.bool_), _HEADER + BLOCK // 8
    (count,) = np.frombuffer(packed, _PLACE, 1, _HEADER)
    present = np.zeros(BLOCK, np.bool_)
    present[np.frombuffer(packed, _PLACE, int(count), _HEADER + 2)] = True
    return present, _HEADER + 2 + 2 * int(count)


def _narrow(values: Values) -> Values:
    """Return *values* in the narrowest type that holds them exactly."""
    if values.dtype.kind == "f":
        small = np.abs(values) <= 2**31 - 1
        if not small.all() or (values != np.rint(values)).any():
            return values.astype(_TYPES[-1])
        values = values.astype(np.int64)
    if not len(values):
        return values.astype(_WHOLE[0])
    low, high = int(values.min()), int(values.max())
    for kind in _WHOLE:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return values.astype(kind)
    return values
