"""Pack the values of 4,096 consecutive items compactly, and unpack them quickly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

BLOCK = 4_096

Mask: TypeAlias = NDArray[np.bool_]
Values: TypeAlias = NDArray[Any]

# How the items that have a value are stored: all of them, one bit each, or their positions.
_ALL, _BITS, _POSITIONS = 0, 1, 2
_TYPES = tuple(np.dtype(name) for name in ("<u1", "<i1", "<u2", "<i2", "<i4", "<i8", "<f8"))
_INTEGERS = _TYPES[:6]
_POSITION = np.dtype("<u2")
# The third byte of the header, if each item has one value.
_NO_COUNTS = 255
_HEADER = 3


@dataclass(frozen=True, slots=True)
class Block:
    """The items of a block that have values, and the values: one for each, or *counts* of them."""

    present: Mask
    values: Values
    counts: Values | None = None

    def pack(self) -> bytes:
        """Return the block as bytes that `unpack` reads."""
        values = _narrow(self.values)
        form, present = _packed_mask(self.present)
        parts = [present]
        count_type = _NO_COUNTS
        if self.counts is not None:
            counts = _narrow(self.counts)
            count_type = _TYPES.index(counts.dtype)
            parts.append(counts.tobytes())
        header = bytes([form, _TYPES.index(values.dtype), count_type])
        return b"".join([header, *parts, values.tobytes()])

    @classmethod
    def unpack(cls, packed: bytes) -> Block:
        """Read what `pack` wrote.

        Raises:
            ValueError: the bytes are damaged.
        """
        if len(packed) < _HEADER or packed[0] > _POSITIONS or packed[1] >= len(_TYPES):
            raise ValueError("the header of a block is damaged")
        present, offset = _unpacked_mask(packed)
        size = int(np.count_nonzero(present))
        counts = None
        if packed[2] != _NO_COUNTS:
            count_type = _TYPES[packed[2]]
            counts = np.frombuffer(packed, count_type, size, offset)
            if counts.min(initial=0) < 0 or count_type.kind == "f":
                raise ValueError("the counts of a block are damaged")
            offset += size * count_type.itemsize
            size = int(counts.sum(dtype=np.int64))
        value_type = _TYPES[packed[1]]
        if len(packed) != offset + size * value_type.itemsize:
            raise ValueError("the length of a block is wrong")
        values = np.frombuffer(packed, value_type, size, offset)
        return cls(present, values, counts)


def _packed_mask(present: Mask) -> tuple[int, bytes]:
    positions = np.flatnonzero(present)
    if len(positions) == BLOCK:
        return _ALL, b""
    if 2 * len(positions) + 2 < BLOCK // 8:
        count = np.array([len(positions)], _POSITION)
        return _POSITIONS, count.tobytes() + positions.astype(_POSITION).tobytes()
    return _BITS, np.packbits(present).tobytes()


def _unpacked_mask(packed: bytes) -> tuple[Mask, int]:
    """Return which items have values, and the offset behind the packed mask."""
    if packed[0] == _ALL:
        return np.ones(BLOCK, np.bool_), _HEADER
    if packed[0] == _BITS:
        bits = np.frombuffer(packed, np.uint8, BLOCK // 8, _HEADER)
        return np.unpackbits(bits).view(np.bool_), _HEADER + BLOCK // 8
    (count,) = np.frombuffer(packed, _POSITION, 1, _HEADER)
    present = np.zeros(BLOCK, np.bool_)
    present[np.frombuffer(packed, _POSITION, int(count), _HEADER + 2)] = True
    return present, _HEADER + 2 + 2 * int(count)


def _narrow(values: Values) -> Values:
    """Return *values* in the narrowest type that holds them exactly."""
    if values.dtype.kind == "f":
        small = np.abs(values) <= 2**31 - 1
        if not small.all() or (values != np.rint(values)).any():
            return values.astype(_TYPES[-1])
        values = values.astype(np.int64)
    if not len(values):
        return values.astype(_INTEGERS[0])
    low, high = int(values.min()), int(values.max())
    for type_ in _INTEGERS:
        limits = np.iinfo(type_)
        if limits.min <= low and high <= limits.max:
            return values.astype(type_)
    return values
