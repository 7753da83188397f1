"""The files of a mapped shard: rows of term weights, values and titles, grouped by cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.shards.work_folder import (
    Array,
    WorkFolder,
    numbered,
    pack_texts,
    read_arrays,
    unpack_texts,
    write_arrays,
)
from unillmrec.tree.clustering import Labels

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

ARRAYS = 7


@dataclass(frozen=True, slots=True)
class ItemRows:
    """Numbered items: a row of term weights, `CatalogFacts.values` and a title for each."""

    numbers: Array
    rows: csr_matrix
    values: NDArray[np.float64]
    titles: list[str]

    def titles_at(self, places: Sequence[int]) -> dict[int, str]:
        """Return the titles at *places*."""
        return {place: self.titles[place] for place in places}

    def select(self, places: Array) -> ItemRows:
        """Return the items at *places*."""
        titles = [self.titles[place] for place in places.tolist()]
        return ItemRows(self.numbers[places], self.rows[places], self.values[places], titles)


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """The cells of a shard in ascending order, the items in each, and where they start."""

    cells: Array
    sizes: Array
    offsets: Array

    @classmethod
    def read(cls, folder: WorkFolder, shard: int) -> ShardIndex:
        """Read the index of a mapped shard."""
        with folder.open_to_read(numbered("shard", shard) + ".index") as file:
            return cls(*read_arrays(file, 3))


def write_shard(folder: WorkFolder, shard: int, items: ItemRows, cells: Labels) -> None:
    """Write the items of a shard cell by cell, and the index of its cells."""
    name = numbered("shard", shard)
    order = np.argsort(cells, kind="stable")
    present, starts = np.unique(cells[order], return_index=True)
    offsets = []
    used_by = np.bincount(items.rows.indices, minlength=items.rows.shape[1])
    with folder.open_to_write(f"{name}.rows") as file:
        write_arrays(file, [used_by.astype(np.int32)])
        for places in np.split(order, starts[1:]):
            offsets.append(file.tell())
            _write_rows(file, items.select(places))
    sizes = np.diff([*starts, len(cells)])
    with folder.open_to_write(f"{name}.index") as file:
        write_arrays(file, (present, sizes, np.array(offsets, np.int64)))
    folder.finish(name, {"items": len(cells)})


def _write_rows(file: BinaryIO, items: ItemRows) -> None:
    packed, ends = pack_texts(items.titles)
    rows = items.rows
    write_arrays(
        file,
        (items.numbers, rows.data, rows.indices, rows.indptr, items.values, packed, ends),
    )


def _read_rows(file: BinaryIO, width: int) -> ItemRows:
    from scipy.sparse import csr_matrix

    numbers, data, ids, ends, values, packed, text_ends = read_arrays(file, ARRAYS)
    rows = csr_matrix((data, ids, ends), shape=(len(numbers), width))
    return ItemRows(numbers, rows, values, unpack_texts(packed, text_ends))


def read_shard(folder: WorkFolder, shard: int, width: int) -> tuple[Array, ItemRows]:
    """Return how many items use each term, and all items of a shard in catalog order."""
    cells = ShardIndex.read(folder, shard).cells
    with folder.open_to_read(numbered("shard", shard) + ".rows") as file:
        (used_by,) = read_arrays(file, 1)
        return used_by, _join([_read_rows(file, width) for _ in cells])


def read_cells(folder: WorkFolder, cells: Sequence[int], shards: int, width: int) -> ItemRows:
    """Return the items that all shards have in *cells*, in catalog order."""
    parts = []
    for shard in range(shards):
        index = ShardIndex.read(folder, shard)
        offsets = index.offsets[np.isin(index.cells, cells)].tolist()
        if offsets:
            with folder.open_to_read(numbered("shard", shard) + ".rows") as file:
                for offset in offsets:
                    file.seek(offset)
                    parts.append(_read_rows(file, width))
    return _join(parts)


def _join(parts: Sequence[ItemRows]) -> ItemRows:
    """Return the items of several parts in catalog order."""
    from scipy.sparse import vstack

    joined = ItemRows(
        np.concatenate([part.numbers for part in parts]),
        vstack([part.rows for part in parts], format="csr"),
        np.concatenate([part.values for part in parts]),
        [title for part in parts for title in part.titles],
    )
    return joined.select(np.argsort(joined.numbers))
