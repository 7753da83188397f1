"""The top of a large tree, grown over a sample: it assigns every item to a cell."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unillmrec.building.shards.work_folder import WorkFolder, read_arrays, write_arrays
from unillmrec.tree.clustering import Labels, one_thread
from unillmrec.tree.growing import Bounds, Rows, Seed, split
from unillmrec.tree.terms import TermVocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# The centre of fewer sampled items than this is noise, so such a part is not split further.
LEAST_SAMPLED = 512


@dataclass(frozen=True, slots=True)
class TopTree:
    """Nodes in depth-first order. A node without children is a cell; *centres* has a row each."""

    parents: list[int]
    centres: csr_matrix

    def children(self) -> list[list[int]]:
        """Return the children of each node."""
        children: list[list[int]] = [[] for _ in self.parents]
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                children[parent].append(node)
        return children

    def child_indexes(self, node: int) -> list[int]:
        """Return the child index taken at each level from the root to *node*."""
        children, indexes = self.children(), []
        while (parent := self.parents[node]) >= 0:
            indexes.append(children[parent].index(node))
            node = parent
        return indexes[::-1]

    def cells_of(self, rows: csr_matrix) -> Labels:
        """Return the cell of each row: the child with the nearest centre, level by level."""
        cells = np.zeros(rows.shape[0], np.int64)
        for node, children in enumerate(self.children()):
            here = np.flatnonzero(cells == node)
            if children and len(here):
                similarity = (rows[here] @ self.centres[children].T).toarray()
                cells[here] = np.array(children)[np.argmax(similarity, axis=1)]
        return cells


def grow_top(rows: csr_matrix, bounds: Bounds, seed: int, largest: int) -> TopTree:
    """Split a sample repeatedly, until no part has more than *largest* rows."""
    from scipy.sparse import csr_matrix, vstack

    parents: list[int] = []
    centres: list[csr_matrix] = []

    def visit(part: Rows, parent: int, part_seed: Seed) -> None:
        node = len(parents)
        parents.append(parent)
        centres.append(csr_matrix(_centre(rows, part)))
        if len(part) > largest:
            for number, child in enumerate(split(rows, part, bounds, part_seed)):
                visit(child, node, (*part_seed, number))

    with one_thread():
        visit(np.arange(rows.shape[0], dtype=np.int64), -1, (seed,))
    return TopTree(parents, vstack(centres, format="csr", dtype=np.float32))


def largest_in_sample(cell: int, sampled: int, total: int, bounds: Bounds) -> int:
    """Return how many of *sampled* items may stand for one cell of *cell* items."""
    least = min(LEAST_SAMPLED, sampled // 4) if sampled < total else 0
    return max(cell * sampled // total, least, bounds.leaf_capacity)


def _centre(rows: csr_matrix, part: Rows) -> Any:
    total = np.asarray(rows[part].sum(axis=0), np.float32)
    length = np.linalg.norm(total)
    return total / length if length > 0 else total


def write_top(folder: WorkFolder, vocabulary: TermVocabulary, top: TopTree, digest: str) -> None:
    """Write the vocabulary and the top tree; *digest* is that of the catalog."""
    centres = top.centres
    with folder.open_to_write("top.arrays") as file:
        write_arrays(file, (vocabulary.used_by, centres.data, centres.indices, centres.indptr))
    with folder.open_to_write("top.terms") as file:
        file.write(json.dumps(vocabulary.terms).encode())
    marker = {"parents": top.parents, "pieces": vocabulary.with_ngrams, "digest": digest}
    folder.finish("top", marker)


def read_top(folder: WorkFolder) -> tuple[TermVocabulary, TopTree]:
    """Return the vocabulary and the top tree that the sample gave."""
    return _read_top(folder.path, folder.marker("top")["digest"])


# A worker runs many steps with the same top tree.
@lru_cache(maxsize=1)
def _read_top(work: Path, digest: str) -> tuple[TermVocabulary, TopTree]:
    from scipy.sparse import csr_matrix

    folder = WorkFolder(work)
    marker = folder.marker("top")
    with folder.open_to_read("top.arrays") as file:
        used_by, data, ids, ends = read_arrays(file, 4)
    with folder.open_to_read("top.terms") as file:
        vocabulary = TermVocabulary(json.loads(file.read()), used_by, marker["pieces"])
    shape = (len(marker["parents"]), len(used_by))
    return vocabulary, TopTree(marker["parents"], csr_matrix((data, ids, ends), shape=shape))
