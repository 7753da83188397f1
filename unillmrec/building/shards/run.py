"""Build a tree in shards: slices of the catalog, a top tree from a sample, cells, one file.

Memory is bounded by the size of a shard and of a cell, not by the catalog's. What is finished
stays in the work folder, so that a build that was killed goes on where it was.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import numpy as np

from unillmrec.building.backends import Engine, engine_named
from unillmrec.building.pipeline import (
    BuildOptions,
    BuildReport,
    Progress,
    silent,
)
from unillmrec.building.shards.cells import Part, gather_cells
from unillmrec.building.shards.merging import Counts, Stitching
from unillmrec.building.shards.slicing import Sharding, Slicer
from unillmrec.building.shards.steps import (
    Catalog,
    priors_of,
    read_catalog_facts,
    read_index,
    read_shard,
    read_top,
)
from unillmrec.building.shards.work_folder import (
    Array,
    WorkFolder,
    numbered,
    read_items,
)
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, Staging, TreeWriter
from unillmrec.system.processes import available_cores


def build_in_shards(
    items: Iterable[Item],
    path: str | Path,
    options: BuildOptions | None = None,
    sharding: Sharding | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a tree over *items* and put it into the file *path*, all of it or nothing.

    Raises:
        TreeError: there are no items, the options need the whole catalog at once, the work
            folder belongs to another build, or a worker failed.
        StoreError: the file exists already, or it or the work folder cannot be written.
        MissingExtraError: the engine is not installed.
    """
    options, sharding = options or BuildOptions(), sharding or Sharding()
    _check(options)
    engine = sharding.engine
    if isinstance(engine, str):
        engine = engine_named(engine, options.workers or available_cores())
    with Staging(Path(path), overwrite=options.overwrite) as staging:
        with _work_folder(Path(path), sharding.work) as work:
            build = _ShardedBuild(work, options, sharding, engine, progress)
            # Written by one process: the file is the same to the byte with any number of workers.
            report = build.run(items, TreeWriter(staging), Path(path))
        staging.publish()
    return report


def _check(options: BuildOptions) -> None:
    asked = {"given vectors": options.given is not None}
    asked[f"a tree of {options.tree}"] = options.tree != "clusters"
    for what, wanted in asked.items():
        if wanted:
            raise TreeError(
                f"{what} cannot be built in shards.",
                detail="Nothing was written.",
                remedy="leave --engine and --work out.",
            )


@contextmanager
def _work_folder(path: Path, work: Path | None) -> Iterator[Path]:
    try:
        if work is None:
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
                yield Path(folder).resolve()
            return
        work.mkdir(parents=True, exist_ok=True)
        yield work.resolve()
    except OSError as error:
        raise StoreError(
            f"the work folder {work or path.parent} cannot be used: {error}.",
            detail="What was finished is kept." if work else "Nothing was changed.",
            remedy="check the free space and the permissions of the folder.",
        ) from error


class _ShardedBuild:
    """One build on its way."""

    def __init__(
        self,
        work: Path,
        options: BuildOptions,
        sharding: Sharding,
        engine: Engine,
        progress: Progress,
    ) -> None:
        self.work = work
        self.folder = WorkFolder(work)
        self.options = options
        self.sharding = sharding
        self.engine = engine
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def run(self, items: Iterable[Item], writer: TreeWriter, path: Path) -> BuildReport:
        """Do it all, up to a staged file that only needs publishing."""
        Slicer(self.folder, self.options, self.sharding, self.progress).run(items)
        catalog = read_catalog_facts(self.work)
        self._done("read")
        self._step("top", "sampling", ["top"])
        self._done("sample")
        self._step("map", "sharding", [numbered("shard", n) for n in range(len(catalog.slices))])
        self._done("map")
        part = self._gather(len(catalog.slices))
        self._step("grow", "clustering", [numbered("cell", n) for n in range(len(part.groups()))])
        self._done("grow")
        counts, terms = self._merge(catalog, part, writer)
        self._done("merge")
        return BuildReport(
            path=path,
            items=catalog.items,
            leaves=counts.leaves,
            branches=counts.branches,
            depth=counts.depth,
            smallest_leaf=counts.smallest_leaf,
            largest_leaf=counts.largest_leaf,
            most_children=counts.most_children,
            terms=terms,
            seconds=dict(self.seconds),
        )

    def _done(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._since, 3)
        self._since = now

    def _step(self, step: str, phase: str, names: list[str]) -> None:
        """Let the engine do what is not finished."""
        open_numbers = [n for n, name in enumerate(names) if self.folder.marker(name) is None]
        done = len(names) - len(open_numbers)
        self.progress(phase, done, len(names))

        def told(_: int) -> None:
            nonlocal done
            done += 1
            self.progress(phase, done, len(names))

        if open_numbers:
            self.engine.run(step, self.work, open_numbers, told)

    def _gather(self, shards: int) -> Part:
        """Count what came to each cell, and join cells to which little came."""
        _, top = read_top(self.work)
        sizes = np.zeros(len(top.parents), np.int64)
        for shard in range(shards):
            cells, held, _ = read_index(self.work, shard)
            sizes[cells] += held
        part = gather_cells(top, sizes.tolist(), self.options.bounds.leaf_target)
        if self.folder.marker("cells") is None:
            groups = [{"cells": g.cells, "place": top.place(g.node)} for g in part.groups()]
            self.folder.finish("cells", {"groups": groups})
        return part

    def _merge(self, catalog: Catalog, part: Part, writer: TreeWriter) -> tuple[Counts, int]:
        """Write everything into one file, a slice, a shard or a cell at a time."""
        self.progress("describing", 0, None)
        stitching = Stitching(self.work, catalog, part)
        vocabulary = stitching.vocabulary
        self.progress("writing", 0, catalog.items)
        for number in range(len(catalog.slices)):
            with self.folder.reading(numbered("slice", number) + ".jsonl") as file:
                for item in read_items(file):
                    writer.add_item(item)
            self.progress("writing", writer.items, catalog.items)
        writer.end_items()
        counts = Counts()
        with self._leaves(catalog.items) as leaf_of:
            writer.add_nodes(stitching.nodes(leaf_of, counts))
            writer.place_items(leaf_of)
        used_by = self._write_rows(catalog, writer, len(vocabulary.terms))
        writer.add_terms(
            (n, term, int(used))
            for n, (term, used) in enumerate(zip(vocabulary.terms, used_by, strict=True))
        )
        writer.finish(
            self._facts(catalog, counts, len(vocabulary.terms), pieces=vocabulary.with_ngrams)
        )
        return counts, len(vocabulary.terms)

    def _write_rows(self, catalog: Catalog, writer: TreeWriter, width: int) -> Array:
        """Write the vectors and priors of all items; return how many use each term."""
        total = np.zeros(width, np.int64)
        for shard in range(len(catalog.slices)):
            used_by, held = read_shard(self.work, shard, width)
            total += used_by
            first = int(held.numbers[0])
            writer.add_vectors(first, held.rows)
            if catalog.popularity is not None:
                priors = priors_of(catalog, held.values).tolist()
                writer.set_priors(zip(held.numbers.tolist(), priors, strict=True))
        return total

    @contextmanager
    def _leaves(self, count: int) -> Iterator[Array]:
        """Give an array for the leaf of each item that lies on the disk."""
        with tempfile.NamedTemporaryFile(dir=self.work, prefix=".leaves.") as file:
            yield np.memmap(file, np.int64, "w+", shape=(count,))

    def _facts(
        self, catalog: Catalog, counts: Counts, terms: int, *, pieces: bool
    ) -> dict[str, object]:
        return {
            "items": catalog.items,
            "space": "terms",
            "embedded_by": None,
            "pieces": pieces,
            "popularity": catalog.popularity,
            "popularity_top": catalog.top_log,
            "generation": 0,
            "seed": catalog.seed,
            "tree": "clusters",
            "asked_columns": self.options.asked,
            "next_node": ROOT + counts.nodes,
            "next_item": catalog.items,
            "next_term": terms,
            "bounds": asdict(catalog.bounds),
        }
