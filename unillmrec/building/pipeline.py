"""The phases of a build: read, weigh, grow, write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

from unillmrec.building.memory_build import MemoryBuild
from unillmrec.building.options import BuildOptions, Sharding
from unillmrec.building.popularity import PopularityScale
from unillmrec.building.progress import OnProgress, Phases, ignore_progress
from unillmrec.building.report import BuildReport, TreeStatistics
from unillmrec.building.shards.sharded_build import ShardedBuild
from unillmrec.building.shards.work_folder import open_work_folder
from unillmrec.items import Item
from unillmrec.store import ROOT, Staging, TreeWriter
from unillmrec.system.processes import available_cores
from unillmrec.tree.category_paths import PathsRead
from unillmrec.tree.terms import TermVocabulary


class BuildPhases(Protocol):
    """Does the phases of one build, in this order."""

    writer: TreeWriter
    writing_phase: str
    paths_read: PathsRead | None
    popularity: PopularityScale

    def read(self, items: Iterable[Item]) -> None:
        """Read the catalog."""

    def weigh(self) -> None:
        """Compute the vector of each item."""

    def grow(self) -> None:
        """Divide the items into branches and leaves."""

    def write(self, statistics: TreeStatistics) -> TermVocabulary:
        """Write items, vectors and described nodes; return the terms with their counts."""


def build(
    items: Iterable[Item],
    path: str | Path,
    options: BuildOptions | None = None,
    progress: OnProgress = ignore_progress,
    *,
    sharding: Sharding | None = None,
) -> BuildReport:
    """Build a tree over *items* and write the file *path*, completely or not at all.

    Without *sharding*, the terms of the whole catalog are held in memory; their texts never are.

    Raises:
        TreeError: there are no items; they have no paths, and the tree is to follow paths; the
            vectors or the popularity attribute do not fit them; the options do not allow
            sharding; the work folder belongs to another build; or a worker failed.
        StoreError: the file exists already, or it or the work folder cannot be written.
        MissingExtraError: the backend is not installed.
    """
    options, path = options or BuildOptions(), Path(path)
    phases = Phases(progress)
    if sharding is not None:
        sharding.check(options)
    with Staging(path, overwrite=options.overwrite) as staging:
        with _prepare(staging, path, options, sharding, phases) as work:
            report = _run(work, items, path, options, phases)
        staging.publish()
    return report


@contextmanager
def _prepare(
    staging: Staging,
    path: Path,
    options: BuildOptions,
    sharding: Sharding | None,
    phases: Phases,
) -> Iterator[BuildPhases]:
    if sharding is None:
        writer = TreeWriter(staging, workers=options.workers or available_cores())
        yield MemoryBuild(writer, options, phases)
        return
    with open_work_folder(path, sharding.work) as folder:
        # One process writes the file, so that it is the same with any number of workers.
        yield ShardedBuild(TreeWriter(staging), folder, options, sharding, phases)


def _run(
    work: BuildPhases, items: Iterable[Item], path: Path, options: BuildOptions, phases: Phases
) -> BuildReport:
    """Run all phases; the staged file then only needs publishing."""
    work.read(items)
    work.weigh()
    work.grow()
    statistics = TreeStatistics()
    vocabulary = work.write(statistics)
    writer = work.writer
    writer.add_terms((n, term, used) for n, (term, used) in enumerate(vocabulary.counts()))
    writer.finish(_facts(work, options, vocabulary, statistics.nodes))
    phases.finish(work.writing_phase)
    return BuildReport(
        path=path,
        items=writer.items,
        leaves=statistics.leaves,
        branches=statistics.branches,
        depth=statistics.depth,
        smallest_leaf=statistics.smallest_leaf,
        largest_leaf=statistics.largest_leaf,
        most_children=statistics.most_children,
        terms=len(vocabulary.terms),
        seconds=phases.seconds,
        paths=work.paths_read,
    )


def _facts(
    work: BuildPhases, options: BuildOptions, vocabulary: TermVocabulary, nodes: int
) -> dict[str, object]:
    """Return what the file records about the tree as a whole."""
    given = options.given
    items = work.writer.items
    return {
        "items": items,
        "space": "given" if given else "terms",
        "embedded_by": given.model if given else None,
        "pieces": vocabulary.with_ngrams,
        "popularity": options.popularity,
        "popularity_top": work.popularity.top,
        "generation": 0,
        "seed": options.seed,
        "tree": options.tree,
        "asked_columns": options.column_flags,
        "next_node": ROOT + nodes,
        "next_item": items,
        "next_term": len(vocabulary.terms),
        "bounds": asdict(options.bounds),
    }
