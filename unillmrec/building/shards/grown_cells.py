"""The files of a grown cell: the described nodes of its subtree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from unillmrec.building.shards.shard_rows import ItemRows
from unillmrec.building.shards.work_folder import (
    Array,
    WorkFolder,
    numbered,
    read_arrays,
    write_arrays,
)
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Growth, Shape
from unillmrec.tree.node_summary.value_spans import Spans
from unillmrec.tree.vector_rows import row_vector
from unillmrec.tree.vectors import NODE_TERMS, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Merging may move nodes this near to the top of a cell to another parent and then describes them
# again. For these nodes everything that it takes is stored.
KEPT_DEPTH = 3
ARRAYS = 15
NO_WEIGHT = Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))


@dataclass(slots=True)
class MergedSummary:
    """The summary of a node near the top, from which merging describes it and its parents.

    *total* is the sum of its items' vectors, *first* the vector of its most typical item. *cells*
    are the grown cells that its items are in.
    """

    size: int
    prior: float
    total: Vector
    first: Vector
    description: Description
    spans: Spans
    cells: list[int]
    packed: bytes = b""

    def pack(self) -> None:
        """Keep only what is written, once the node, its siblings and its parent are described."""
        self.packed = self.total.strongest(NODE_TERMS).to_bytes(precise=True)
        self.total = self.first = NO_WEIGHT


@dataclass(slots=True)
class TopBranch(Growth):
    """A node near the top of the tree.

    *cell* and *node* say where it was grown; a node that was not grown in a cell has cell -1.
    """

    cell: int = -1
    node: int = 0
    summary: MergedSummary | None = None

    def branches(self) -> list[TopBranch]:
        """Return the children."""
        return [child for child in self.children if isinstance(child, TopBranch)]


@dataclass(frozen=True, slots=True)
class GrownCell:
    """The subtree of a group of cells: for each node what is written, and more near the top."""

    parents: Array
    depths: Array
    starts: Array
    ends: Array
    leaves: Array
    order: Array
    priors: Array
    packed: bytes
    packed_ends: Array
    sums: csr_matrix
    firsts: csr_matrix
    descriptions: list[str]
    spans: list[str]

    @classmethod
    def read(cls, folder: WorkFolder, number: int, width: int) -> GrownCell:
        """Read a cell; its vectors are *width* wide."""
        from scipy.sparse import csr_matrix

        name = numbered("cell", number)
        folder.marker(name)
        with folder.open_to_read(f"{name}.arrays") as file:
            arrays = read_arrays(file, ARRAYS)
        with folder.open_to_read(f"{name}.json") as file:
            texts = json.loads(file.read())
        parents, depths, starts, ends, leaves, order, priors, packed, packed_ends = arrays[:9]
        sums, firsts = (
            csr_matrix(tuple(three), shape=(len(three[2]) - 1, width))
            for three in (arrays[9:12], arrays[12:15])
        )
        return cls(
            *(parents, depths, starts, ends, leaves, order, priors),
            *(packed.tobytes(), packed_ends, sums, firsts),
            *(texts["descriptions"], texts["spans"]),
        )

    def subtree_end(self, node: int) -> int:
        """Return the number of the first node after *node* that is not below it."""
        after = np.flatnonzero(self.depths[node + 1 :] <= self.depths[node])
        return node + 1 + int(after[0]) if len(after) else len(self.depths)

    def packed_sum(self, node: int) -> bytes:
        """Return the packed sum of the vectors of a node."""
        start = int(self.packed_ends[node - 1]) if node else 0
        return self.packed[start : int(self.packed_ends[node])]

    def summary(self, cell: int, node: int) -> MergedSummary:
        """Return the summary of a node near the top; *cell* is the number of this cell."""
        row = int(np.count_nonzero(self.depths[:node] <= KEPT_DEPTH))
        return MergedSummary(
            size=int(self.ends[node] - self.starts[node]),
            prior=float(self.priors[node]),
            total=row_vector(self.sums, row),
            first=row_vector(self.firsts, row),
            description=Description.from_json(self.descriptions[node]),
            spans={name: tuple(span) for name, span in json.loads(self.spans[node]).items()},
            cells=[cell],
        )


def read_branches(folder: WorkFolder, cell: int, deepest: int) -> TopBranch:
    """Return the nodes of a cell down to a depth, without their summaries."""
    with folder.open_to_read(numbered("cell", cell) + ".arrays") as file:
        parents, depths = read_arrays(file, 2)
    branches: dict[int, TopBranch] = {}
    for node in np.flatnonzero(depths <= min(deepest, KEPT_DEPTH)).tolist():
        branches[node] = TopBranch(None, [], "", cell, node)
        if node:
            branches[int(parents[node])].children.append(branches[node])
    return branches[0]


def read_sorted_values(folder: WorkFolder, cell: int, count: int) -> list[Any]:
    """Return the known values of each of *count* attributes, sorted; they stay on the disk."""
    path = folder.path / f"{numbered('cell', cell)}.values"
    counts = np.fromfile(path, np.int64, count)
    if not counts.sum():
        return [np.zeros(0)] * count
    values = np.memmap(path, np.float64, "r", 8 * count)
    return np.split(values, np.cumsum(counts)[:-1])


def write_cell(
    folder: WorkFolder,
    number: int,
    items: ItemRows,
    shape: Shape,
    vectors: tuple[csr_matrix, csr_matrix, Array],
    summaries: tuple[Sequence[Description], Sequence[Spans], Sequence[float]],
) -> None:
    """Write a cell.

    *vectors* are the sums of the nodes, the rows of the items, and the terms that the columns of
    both stand for. *summaries* are the description, spans and mean popularity of each node.
    """
    name = numbered("cell", number)
    descriptions, spans, means = summaries
    sums, rows, columns = vectors
    firsts = rows[np.array([each.typical[0] for each in descriptions])]
    with folder.open_to_write(f"{name}.arrays") as file:
        write_arrays(file, _shape_arrays(shape, items.numbers, means))
        write_arrays(file, _vector_arrays(shape, sums, firsts, columns))
    texts = {
        "descriptions": list(_numbered_descriptions(descriptions, items.numbers)),
        "spans": [json.dumps(each) for each in spans],
    }
    with folder.open_to_write(f"{name}.json") as file:
        file.write(json.dumps(texts).encode())
    _write_sorted_values(folder, name, items)
    folder.finish(name, {"items": len(items.numbers), "nodes": len(shape.parents)})


def _shape_arrays(shape: Shape, numbers: Array, means: Sequence[float]) -> list[Array]:
    lists = (shape.parents, shape.depths, shape.starts, shape.ends, shape.leaves)
    return [*map(np.array, lists), numbers[shape.order], np.array(means)]


def _vector_arrays(
    shape: Shape, sums: csr_matrix, firsts: csr_matrix, columns: Array
) -> list[Array]:
    """Return the packed sums of all nodes; for those near the top all of the sum, and a row."""
    ids = columns.astype(np.int32) if len(columns) else np.zeros(1, np.int32)
    packed = []
    for node in range(len(shape.parents)):
        vector = row_vector(sums, node).strongest(NODE_TERMS)
        assert vector.ids is not None
        packed.append(Vector(vector.weights, ids[vector.ids]).to_bytes(precise=True))
    near_top = np.flatnonzero(np.array(shape.depths) <= KEPT_DEPTH)
    top_sums, typical = sums[near_top], firsts[near_top]
    return [
        np.frombuffer(b"".join(packed), np.uint8),
        np.cumsum([len(each) for each in packed], dtype=np.int64),
        *(top_sums.data, ids[top_sums.indices], top_sums.indptr),
        *(typical.data, ids[typical.indices], typical.indptr),
    ]


def _numbered_descriptions(descriptions: Sequence[Description], numbers: Array) -> Iterator[str]:
    """Yield packed descriptions, with the numbers of typical items in the whole catalog."""
    for each in descriptions:
        yield replace(each, typical=tuple(numbers[list(each.typical)].tolist())).to_json()


def _write_sorted_values(folder: WorkFolder, name: str, items: ItemRows) -> None:
    """Write the number of known values of each attribute, then these values, sorted."""
    known = [np.sort(column[~np.isnan(column)]) for column in items.values[:, :-1].T]
    with folder.open_to_write(f"{name}.values") as file:
        file.write(np.array([len(column) for column in known], np.int64).tobytes())
        file.writelines(column.tobytes() for column in known)
