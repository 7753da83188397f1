"""Stitch the top and the subtrees of all cells into one tree, and write it into one file."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.shards.cells import Part
from unillmrec.building.shards.steps import CELL_ARRAYS, KEPT_DEPTH, Catalog, read_top
from unillmrec.building.shards.work_folder import Array, WorkFolder, numbered, read_arrays
from unillmrec.store import ROOT, NodeRow
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Growth, straighten
from unillmrec.tree.node_summary.contrastive_terms import (
    Contrast,
    TermSum,
    contrastive_terms,
    description_weights,
)
from unillmrec.tree.node_summary.typical_items import KEPT_TITLES, largest
from unillmrec.tree.node_summary.value_spans import Spans, narrow_ranges, span_places
from unillmrec.tree.terms import term_idf
from unillmrec.tree.vector_rows import row_vector, summed
from unillmrec.tree.vectors import NODE_TERMS, Floats, Ints, Vector, similarities

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

NOTHING = Vector(np.zeros(0, np.float32), np.zeros(0, np.int32))
# How many numbers of double precision there are from zero up to infinity.
INFINITE = 0x7FF0_0000_0000_0000


@dataclass(slots=True)
class Told:
    """What is known of a node: enough to describe it among any siblings, and what is above it."""

    size: int
    prior: float
    total: Vector
    first: Vector
    description: Description
    spans: Spans
    cells: list[int]
    packed: bytes = b""

    def settle(self) -> None:
        """Keep no more than is written, once all around it are described."""
        self.packed = self.total.strongest(NODE_TERMS).to_bytes(precise=True)
        self.total = self.first = NOTHING


@dataclass(slots=True)
class Branch(Growth):
    """A node near the top. *cell* and *node* say where it was grown, if it was."""

    cell: int = -1
    node: int = 0
    told: Told | None = None


@dataclass(slots=True)
class Counts:
    """What a finished tree is like, counted as it is written."""

    leaves: int = 0
    branches: int = 0
    depth: int = 0
    smallest_leaf: int = 0
    largest_leaf: int = 0
    most_children: int = 0
    _children_at: dict[int, int] = field(default_factory=dict)

    def add(self, node: NodeRow) -> None:
        """Count a node; they come depth first."""
        self.depth = max(self.depth, node.depth)
        self._children_at[node.depth] = 0
        if node.depth:
            siblings = self._children_at[node.depth - 1] + 1
            self._children_at[node.depth - 1] = siblings
            self.most_children = max(self.most_children, siblings)
        if node.leaf:
            self.smallest_leaf = min(self.smallest_leaf or node.size, node.size)
            self.largest_leaf = max(self.largest_leaf, node.size)
        self.leaves += node.leaf
        self.branches += not node.leaf

    @property
    def nodes(self) -> int:
        """Return how many nodes there are."""
        return self.leaves + self.branches


@dataclass(frozen=True, slots=True)
class Cell:
    """The grown subtree of a group of cells, as it lies in the work folder."""

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
    def read(cls, folder: WorkFolder, number: int, width: int) -> Cell:
        """Read one."""
        from scipy.sparse import csr_matrix

        name = numbered("cell", number)
        folder.needed(name)
        with folder.reading(f"{name}.arrays") as file:
            read = read_arrays(file, CELL_ARRAYS)
        with folder.reading(f"{name}.json") as file:
            texts = json.loads(file.read())
        parents, depths, starts, ends, leaves, order, priors, packed, packed_ends = read[:9]
        sums, firsts = (
            csr_matrix(tuple(three), shape=(len(three[2]) - 1, width))
            for three in (read[9:12], read[12:15])
        )
        return cls(
            *(parents, depths, starts, ends, leaves, order, priors),
            *(packed.tobytes(), packed_ends, sums, firsts),
            *(texts["descriptions"], texts["spans"]),
        )

    def end_of(self, node: int) -> int:
        """Return the number of the first node that is not below *node*."""
        after = np.flatnonzero(self.depths[node + 1 :] <= self.depths[node])
        return node + 1 + int(after[0]) if len(after) else len(self.depths)

    def told(self, cell: int, node: int) -> Told:
        """Return what is known of a node near the top."""
        row = int(np.count_nonzero(self.depths[:node] <= KEPT_DEPTH))
        return Told(
            *(int(self.ends[node] - self.starts[node]), float(self.priors[node])),
            *(row_vector(self.sums, row), row_vector(self.firsts, row)),
            Description.from_json(self.descriptions[node]),
            {name: tuple(span) for name, span in json.loads(self.spans[node]).items()},
            [cell],
        )


def skeleton(folder: WorkFolder, cell: int, deepest: int) -> Branch:
    """Return the nodes of a cell down to a depth, and nothing of what is in them."""
    with folder.reading(numbered("cell", cell) + ".arrays") as file:
        parents, depths = read_arrays(file, 2)
    found: dict[int, Branch] = {}
    for node in np.flatnonzero(depths <= min(deepest, KEPT_DEPTH)).tolist():
        found[node] = Branch(None, [], "", cell, node)
        if node:
            found[int(parents[node])].children.append(found[node])
    return found[0]


class Stitching:
    """The whole tree, of which only what is near the top is in memory, and one cell at a time."""

    def __init__(self, work: Path, catalog: Catalog, part: Part) -> None:
        self._folder = WorkFolder(work)
        self._catalog = catalog
        self.vocabulary, _ = read_top(work)
        self._cells = {group.node: n for n, group in enumerate(part.groups())}
        self._weights = description_weights(
            self.vocabulary.terms, term_idf(self.vocabulary.used_by, catalog.items)
        )
        self._read: tuple[int, Cell] | None = None
        self._top = self._branch(part, 0)
        if self._top.cell >= 0 and self._top.children:
            # The only cell: its top is the root, which may take more children than a branch.
            self._top.told = self._cell(0).told(0, 0)
            self._top.cell = -1
        straighten(self._top, catalog.bounds)
        self._describe(self._top).settle()

    def _branch(self, part: Part, depth: int) -> Branch:
        if not part.children:
            # The root has room for grandchildren's children, others for their children's.
            deepest = KEPT_DEPTH if depth <= 1 else 1
            return skeleton(self._folder, self._cells[part.node], deepest)
        return Branch(None, [self._branch(child, depth + 1) for child in part.children])

    def _cell(self, number: int) -> Cell:
        if self._read is None or self._read[0] != number:
            self._read = None
            cell = Cell.read(self._folder, number, len(self.vocabulary.terms))
            self._read = (number, cell)
        return self._read[1]

    # Describing

    def _describe(self, branch: Branch) -> Told:
        """Describe what was not grown in a cell, and what now hangs under it."""
        if branch.cell >= 0:
            branch.told = self._cell(branch.cell).told(branch.cell, branch.node)
            return branch.told
        below = [self._describe(child) for child in _children(branch)]
        told = self._join(below)
        if branch.told is not None:
            # It was summed up where it was grown, which no sum of rounded sums equals.
            told.total, told.prior = branch.told.total, branch.told.prior
        branch.told = told
        self._contrast(told, below)
        for each in below:
            each.settle()
        return told

    def _join(self, parts: Sequence[Told]) -> Told:
        """Return what is known of a node from what is known of its children."""
        size = sum(part.size for part in parts)
        total = summed([part.total for part in parts])
        near = similarities(total, [part.first for part in parts])
        typical = [parts[place] for place in largest(near, KEPT_TITLES)]
        description = Description(
            titles=tuple(part.description.titles[0] for part in typical),
            typical=tuple(part.description.typical[0] for part in typical),
        )
        cells = sorted({cell for part in parts for cell in part.cells})
        prior = sum(part.prior * part.size for part in parts) / size
        return Told(
            size, prior, total, typical[0].first, description, self._spans(cells, size), cells
        )

    def _contrast(self, outer: Told, parts: Sequence[Told]) -> None:
        """Give the children of a node the words and ranges that set them apart."""
        around = TermSum(outer.total, outer.size)
        contrasts = [Contrast.of_sums(TermSum(each.total, each.size), around) for each in parts]
        words = contrastive_terms(contrasts, self._look_up)
        for part, chosen in zip(parts, words, strict=True):
            part.description = replace(
                part.description, words=chosen, ranges=narrow_ranges(part.spans, outer.spans)
            )

    def _look_up(self, ids: Ints) -> tuple[list[str], Floats]:
        terms = self.vocabulary.terms
        return [terms[number] for number in ids.tolist()], self._weights[ids]

    def _spans(self, cells: Sequence[int], size: int) -> Spans:
        """Return between what values all but the tails of the items of whole cells lie."""
        sorted_values = [self._values(cell) for cell in cells]
        spans = {}
        for column, name in enumerate(self._catalog.ranged):
            known = [values[column] for values in sorted_values]
            count = sum(map(len, known))
            if ends := span_places(count, size):
                spans[name] = (nth_of_all(known, ends[0]), nth_of_all(known, ends[1]))
        return spans

    def _values(self, cell: int) -> list[Any]:
        """Return a cell's known values, sorted, by attribute; they stay on the disk."""
        path = self._folder.path / f"{numbered('cell', cell)}.values"
        many = len(self._catalog.ranged)
        counts = np.fromfile(path, np.int64, many)
        if not counts.sum():
            return [np.zeros(0)] * many
        kept = np.memmap(path, np.float64, "r", 8 * many)
        return np.split(kept, np.cumsum(counts)[:-1])

    # Writing

    def nodes(self, leaf_of: NDArray[np.int64], counts: Counts) -> Iterator[NodeRow]:
        """Yield all nodes, depth first, and note in *leaf_of* where each item is."""
        waiting: list[tuple[Branch, int | None, int]] = [(self._top, None, 0)]
        number = ROOT
        while waiting:
            branch, parent, depth = waiting.pop()
            if branch.cell >= 0:
                rows = self._grown(branch, number, parent, depth, leaf_of)
            else:
                rows = iter([_top_row(branch, number, parent, depth)])
                waiting += [(child, number, depth + 1) for child in reversed(_children(branch))]
            for row in rows:
                counts.add(row)
                number += 1
                yield row

    def _grown(
        self, branch: Branch, first: int, parent: int | None, depth: int, leaf_of: Array
    ) -> Iterator[NodeRow]:
        """Yield the nodes from one of a cell downwards; the uppermost is numbered *first*."""
        cell = self._cell(branch.cell)
        top = branch.node
        assert branch.told is not None
        ends = [0, *cell.packed_ends.tolist()]
        for node in range(top, cell.end_of(top)):
            number = first + node - top
            start, end = int(cell.starts[node]), int(cell.ends[node])
            is_leaf = bool(cell.leaves[node])
            if is_leaf:
                leaf_of[cell.order[start:end]] = number
            own = branch.told.description.to_json() if node == top else cell.descriptions[node]
            yield NodeRow(
                number,
                parent if node == top else first + int(cell.parents[node]) - top,
                number - ROOT,
                depth + int(cell.depths[node] - cell.depths[top]),
                end - start,
                is_leaf,
                own,
                cell.spans[node],
                float(cell.priors[node]),
                cell.packed[ends[node] : ends[node + 1]],
            )


def _top_row(branch: Branch, number: int, parent: int | None, depth: int) -> NodeRow:
    told = branch.told
    assert told is not None
    return NodeRow(
        *(number, parent, number - ROOT, depth, told.size, False),
        *(told.description.to_json(), json.dumps(told.spans), told.prior),
        told.packed,
    )


def _children(branch: Branch) -> list[Branch]:
    return [child for child in branch.children if isinstance(child, Branch)]


def nth_of_all(sorted_parts: Sequence[NDArray[np.float64]], place: int) -> float:
    """Return the value at *place* of all parts sorted together, without joining them."""
    low, high = -INFINITE - 1, INFINITE
    while low < high:
        middle = (low + high) // 2
        value = _float_of(middle)
        before = reduce(
            lambda sum_, part: sum_ + int(np.searchsorted(part, value, "right")), sorted_parts, 0
        )
        low, high = (middle + 1, high) if before <= place else (low, middle)
    # Of the two zeros the usual one.
    return _float_of(low) + 0.0


def _float_of(rank: int) -> float:
    """Return the number that has so many numbers of double precision below it, from the middle."""
    bits = rank if rank >= 0 else (-rank - 1) | (1 << 63)
    return float(np.array([bits], np.uint64).view(np.float64)[0])
