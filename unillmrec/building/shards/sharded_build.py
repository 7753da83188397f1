"""Build a tree in shards: slices of the catalog, a top tree from a sample, cells, one file.

Memory is bounded by the size of a shard and of a cell, not by the size of the catalog. Finished
work stays in the work folder, so that a build that was killed resumes.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from unillmrec.building.backends import Step, create_backend
from unillmrec.building.options import BuildOptions, Sharding
from unillmrec.building.popularity import PopularityScale
from unillmrec.building.progress import Phases
from unillmrec.building.report import TreeStatistics
from unillmrec.building.shards.catalog_facts import CatalogFacts
from unillmrec.building.shards.cell_groups import CellGroup, group_cells
from unillmrec.building.shards.merging import TreeMerger
from unillmrec.building.shards.shard_rows import ShardIndex, read_shard
from unillmrec.building.shards.slices import Slicer
from unillmrec.building.shards.steps import grow_cell, learn_top, map_shard
from unillmrec.building.shards.top_tree import read_top
from unillmrec.building.shards.work_folder import Array, WorkFolder, numbered, read_items
from unillmrec.items import Item
from unillmrec.store import TreeWriter
from unillmrec.system.processes import available_cores
from unillmrec.tree.category_paths import PathsRead
from unillmrec.tree.terms import TermVocabulary


class ShardedBuild:
    """The phases of a build in shards; a backend runs the shard functions."""

    writing_phase = "merge"
    paths_read: PathsRead | None = None

    def __init__(
        self,
        writer: TreeWriter,
        folder: WorkFolder,
        options: BuildOptions,
        sharding: Sharding,
        phases: Phases,
    ) -> None:
        self.writer = writer
        self.popularity = PopularityScale(None, 0.0)
        self._folder = folder
        self._options = options
        self._sharding = sharding
        self._phases = phases
        backend = sharding.backend
        if isinstance(backend, str):
            backend = create_backend(backend, options.workers or available_cores())
        self._backend = backend
        self._catalog: CatalogFacts
        self._groups: CellGroup

    def read(self, items: Iterable[Item]) -> None:
        """Cut the catalog into slices."""
        slicer = Slicer(self._folder, self._options, self._sharding, self._phases)
        self._catalog = catalog = slicer.run(items)
        self.popularity = PopularityScale(catalog.popularity, catalog.top_log)
        self._phases.finish("read")

    def weigh(self) -> None:
        """Learn the vocabulary from a sample; weigh each slice and assign its items to cells."""
        self._run(learn_top, "sampling", ["top"])
        self._phases.finish("sample")
        shards = [numbered("shard", n) for n in range(len(self._catalog.slices))]
        self._run(map_shard, "sharding", shards)
        self._phases.finish("map")

    def grow(self) -> None:
        """Grow and describe the subtree of each group of cells."""
        self._groups = self._group_cells()
        cells = [numbered("cell", n) for n in range(len(self._groups.leaves()))]
        self._run(grow_cell, "clustering", cells)
        self._phases.finish("grow")

    def _run(self, step: Step, phase: str, names: Sequence[str]) -> None:
        """Let the backend do the work whose marker in *names* is missing."""
        missing = [n for n, name in enumerate(names) if self._folder.find_marker(name) is None]
        done = len(names) - len(missing)
        self._phases.report(phase, done, len(names))

        def on_done(_: int) -> None:
            nonlocal done
            done += 1
            self._phases.report(phase, done, len(names))

        if missing:
            self._backend.run(step, self._folder.path, missing, on_done)

    def _group_cells(self) -> CellGroup:
        """Count the items of each cell, and join cells that have few."""
        _, top = read_top(self._folder)
        sizes = np.zeros(len(top.parents), np.int64)
        for shard in range(len(self._catalog.slices)):
            index = ShardIndex.read(self._folder, shard)
            sizes[index.cells] += index.sizes
        root = group_cells(top, sizes.tolist(), self._options.bounds.leaf_target)
        if self._folder.find_marker("cells") is None:
            groups = [
                {"cells": group.cells, "place": top.child_indexes(group.node)}
                for group in root.leaves()
            ]
            self._folder.finish("cells", {"groups": groups})
        return root

    def write(self, statistics: TreeStatistics) -> TermVocabulary:
        """Write everything into one file, a slice, a shard or a cell at a time."""
        self._phases.report("describing", 0, None)
        merger = TreeMerger(self._folder, self._catalog, self._groups)
        self._write_items()
        with self._leaf_array() as leaf_of:
            self.writer.add_nodes(statistics.count(merger.nodes(leaf_of)))
            self.writer.place_items(leaf_of)
        vocabulary = merger.vocabulary
        used_by = self._write_vectors(len(vocabulary.terms))
        return TermVocabulary(vocabulary.terms, used_by, vocabulary.with_ngrams)

    def _write_items(self) -> None:
        total = self._catalog.items
        self._phases.report("writing", 0, total)
        for number in range(len(self._catalog.slices)):
            with self._folder.open_to_read(numbered("slice", number) + ".jsonl") as file:
                for item in read_items(file):
                    self.writer.add_item(item)
            self._phases.report("writing", self.writer.items, total)
        self.writer.end_items()

    def _write_vectors(self, width: int) -> Array:
        """Write the vectors and popularities of all items; return how many use each term."""
        used_by = np.zeros(width, np.int64)
        for shard in range(len(self._catalog.slices)):
            uses, items = read_shard(self._folder, shard, width)
            used_by += uses
            self.writer.add_vectors(int(items.numbers[0]), items.rows)
            if self._catalog.popularity is not None:
                priors = self._catalog.priors(items.values).tolist()
                self.writer.set_priors(zip(items.numbers.tolist(), priors, strict=True))
        return used_by

    @contextmanager
    def _leaf_array(self) -> Iterator[Array]:
        """Yield an array for the leaf of each item that lies on the disk."""
        with tempfile.NamedTemporaryFile(dir=self._folder.path, prefix=".leaves.") as file:
            yield np.memmap(file, np.int64, "w+", shape=(self._catalog.items,))
