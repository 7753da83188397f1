"""Build a tree with the term weights of the whole catalog in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.numeric_attributes import NumericColumns
from unillmrec.building.options import BuildOptions
from unillmrec.building.popularity import PopularityScale, count_of, highest_count, mean_priors
from unillmrec.building.progress import Phases, read_batches
from unillmrec.building.report import TreeStatistics
from unillmrec.building.subtree_growth import grow_along_paths, grow_in_processes
from unillmrec.items import Item
from unillmrec.store import ROOT, NodeRow, TreeWriter
from unillmrec.system.processes import available_cores
from unillmrec.tree.category_paths import Category, PathReader, PathsRead
from unillmrec.tree.growing import Growth, Shape, flatten
from unillmrec.tree.keyword_descriptions import Sources, describe_nodes, node_spans, node_sums
from unillmrec.tree.terms import TermCounter, TermVocabulary
from unillmrec.tree.vectors import NODE_TERMS, Floats, packed_parts, strongest_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


class MemoryBuild:
    """The phases of a build in memory; items are written while the catalog is read."""

    writing_phase = "describe and write"

    def __init__(self, writer: TreeWriter, options: BuildOptions, phases: Phases) -> None:
        self.writer = writer
        self.popularity = PopularityScale(None, 0.0)
        self.paths_read: PathsRead | None = None
        self._options = options
        self._phases = phases
        self._workers = options.workers or available_cores()
        self._terms: TermCounter | None = TermCounter()
        self._numbers = NumericColumns()
        self._counts = array("d")
        self._categories: Category | None = None
        self._vocabulary: TermVocabulary
        # A row of term weights for each item, and the vectors to cluster: the same or given ones.
        self._words: csr_matrix
        self._points: csr_matrix | Floats
        self._shape: Shape

    def read(self, items: Iterable[Item]) -> None:
        """Write the items, and collect their terms, numbers and paths."""
        paths = None if self._options.tree == "clusters" else PathReader()
        for batch in read_batches(items, self._phases):
            self._add(batch, paths)
        if paths is not None:
            self._categories, self.paths_read = paths.finish()
        highest = highest_count(self._counts)
        self.popularity = PopularityScale.up_to(self._options.popularity, highest)
        self.writer.end_items()
        self._phases.finish("read")

    def _add(self, items: Sequence[Item], paths: PathReader | None) -> None:
        assert self._terms is not None
        popularity, given = self._options.popularity, self._options.given
        self._numbers.add(items)
        self._terms.add_all(items)
        self.writer.add_items(items)
        if popularity is not None:
            self._counts.extend(count_of(item, popularity) for item in items)
        for note in (paths, given):
            if note is not None:
                for item in items:
                    note.add(item)

    def weigh(self) -> None:
        """Compute a row of term weights for each item, and write the vectors to cluster."""
        assert self._terms is not None
        self._vocabulary, self._words = self._terms.finish()
        # It holds every word that ever occurred, which may be more than all that follows.
        self._terms = None
        given = self._options.given
        self._points = given.for_items(self._words.shape[0]) if given else self._words
        self.writer.add_vectors(0, self._points)
        self._phases.finish("vectors")

    def grow(self) -> None:
        """Cluster the items, along their paths if the options say so."""
        self._report_clustering(0, self.writer.items)
        self._shape = Shape.of(self._grow())
        self._phases.finish("tree")

    def _grow(self) -> Growth:
        options = self._options
        how = (options.bounds, options.seed, self._workers)
        if self._categories is None:
            root = grow_in_processes(self._points, *how, self._report_clustering)
            return flatten(root, options.bounds)
        return grow_along_paths(
            *(self._points, self._categories, *how),
            clusters=options.tree == "paths+clusters",
            on_progress=self._report_clustering,
        )

    def _report_clustering(self, done: int, total: int) -> None:
        self._phases.report("clustering", done, total)

    def write(self, statistics: TreeStatistics) -> TermVocabulary:
        """Describe and write the nodes; return the terms with their counts."""
        shape = self._shape
        self._phases.report("describing", 0, len(shape.parents))
        priors = self.popularity.priors(np.array(self._counts)) if self._counts else None
        self.writer.place_items(_leaf_of_items(shape), priors)
        sums = node_sums(shape, self._words)
        spans = node_spans(shape, self._numbers.as_arrays())
        sources = Sources(self._vocabulary, self._words, self.writer.titles)
        descriptions = describe_nodes(shape, sources, sums, spans)
        self._phases.report("writing", 0, len(shape.order))
        packed = _packed_sums(sums if self._points is self._words else self._dense_sums())
        means = [0.0] * len(shape.parents) if priors is None else mean_priors(shape, priors)
        nodes = (
            NodeRow(
                id=ROOT + n,
                parent=ROOT + parent if parent >= 0 else None,
                place=n,
                depth=shape.depths[n],
                size=shape.ends[n] - shape.starts[n],
                leaf=shape.leaves[n],
                description=descriptions[n].to_json(),
                spans=json.dumps(spans[n]),
                prior=means[n],
                packed=packed_sum,
            )
            for n, (parent, packed_sum) in enumerate(zip(shape.parents, packed, strict=True))
        )
        self.writer.add_nodes(statistics.count(nodes))
        return self._vocabulary

    def _dense_sums(self) -> Floats:
        assert isinstance(self._points, np.ndarray)
        return dense_sums(self._shape, self._points)


def _leaf_of_items(shape: Shape) -> NDArray[np.int64]:
    """Return the id of the leaf of each item."""
    leaves = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
    sizes = [shape.ends[n] - shape.starts[n] for n in leaves]
    leaf_of = np.zeros(len(shape.order), np.int64)
    leaf_of[shape.order] = np.repeat(np.array(leaves) + ROOT, sizes)
    return leaf_of


def _packed_sums(sums: csr_matrix | Floats) -> Iterator[bytes]:
    parts = packed_parts(strongest_rows(sums, NODE_TERMS), precise=True)
    return chain.from_iterable(part.rows() for part in parts)


def dense_sums(shape: Shape, points: Floats) -> Floats:
    """Return for each node the sum of the dense vectors of its items."""
    leaves = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
    # Leaf by leaf: sorting all points in the order of the tree would copy them.
    running = np.zeros((len(leaves) + 1, points.shape[1]))
    for place, leaf in enumerate(leaves, start=1):
        running[place] = points[shape.order[shape.starts[leaf] : shape.ends[leaf]]].sum(axis=0)
    np.cumsum(running, axis=0, out=running)
    # A node covers consecutive leaves, because both are numbered depth first.
    ends = np.concatenate([[0], np.array(shape.ends)[leaves]])
    first, last = np.searchsorted(ends, shape.starts), np.searchsorted(ends, shape.ends)
    sums: Floats = (running[last] - running[first]).astype(np.float32)
    return sums
