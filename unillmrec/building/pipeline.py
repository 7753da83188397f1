"""Build a tree: stream the catalog in, cluster it, describe it, write one file."""

from __future__ import annotations

import json
import math
import time
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeGuard, get_args

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.given_vectors import GivenVectors
from unillmrec.building.path_trees import grow_along_paths
from unillmrec.building.subtree_processes import grow_in_processes
from unillmrec.errors import TreeError
from unillmrec.items import Item, values_by_name
from unillmrec.store import ROOT, NodeRow, Staging, TreeWriter
from unillmrec.system.processes import available_cores
from unillmrec.tree.category_paths import Category, PathReader, PathsRead
from unillmrec.tree.growing import Bounds, Shape, straighten
from unillmrec.tree.keyword_descriptions import Sources, describe_nodes, node_spans, node_sums
from unillmrec.tree.terms import TermCounter, TermVocabulary
from unillmrec.tree.vectors import NODE_TERMS, Floats, packed_parts, strongest_rows

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Ranges are told for this many numeric attributes at most: a line has room for two.
RANGED_ATTRIBUTES = 8
# So many at a time; four times as many are a block of the store.
REPORT_EVERY = 1_024
_NO_NUMBERS = frozenset({str, tuple, bool, type(None)})


TreeKind: TypeAlias = Literal["clusters", "paths", "paths+clusters"]


class Progress(Protocol):
    """Told what a build is doing: a phase, how far it is, and how far it goes, if known."""

    def __call__(self, phase: str, done: int, total: int | None) -> None:
        """Take note."""


def silent(phase: str, done: int, total: int | None) -> None:
    """Take no note."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What a build can be told.

    *tree* says where the branches come from: clusters of like items, the catalog's own
    category paths, or paths with clusters where they are too large or too small.
    *popularity* names a numeric attribute that counts how often an item was met.
    *given* are vectors to cluster instead of the words. *workers* is a number of processes;
    0 means as many as there are cores. *asked* is kept for those who change the tree.
    """

    seed: int = 0
    bounds: Bounds = field(default_factory=Bounds)
    popularity: str | None = None
    given: GivenVectors | None = None
    workers: int = 0
    overwrite: bool = False
    tree: TreeKind = "clusters"
    asked: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        if self.tree not in get_args(TreeKind):
            raise TreeError(
                f"there is no kind of tree {self.tree!r}.",
                remedy=f"one of {', '.join(get_args(TreeKind))}.",
            )
        if self.seed < 0:
            raise TreeError(f"the seed is {self.seed}; it must be zero or more.")


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built, and how long each phase took in seconds.

    *paths* tells what the catalog's paths were like, if they were used.
    """

    path: Path
    items: int
    leaves: int
    branches: int
    depth: int
    smallest_leaf: int
    largest_leaf: int
    most_children: int
    terms: int
    seconds: dict[str, float]
    paths: PathsRead | None = None


def build(
    items: Iterable[Item],
    path: str | Path,
    options: BuildOptions | None = None,
    progress: Progress = silent,
) -> BuildReport:
    """Build a tree over *items* and put it into the file *path*, all of it or nothing.

    Raises:
        TreeError: there are no items, they have no paths where paths are asked for, or vectors
            or the popularity attribute do not fit them.
        StoreError: the file exists already or cannot be written.
    """
    options = options or BuildOptions()
    with Staging(Path(path), overwrite=options.overwrite) as staging:
        writer = TreeWriter(staging, workers=options.workers or available_cores())
        report = _Build(writer, options, progress).run(items, Path(path))
        staging.publish()
    return report


class _Build:
    """One build on its way."""

    def __init__(self, writer: TreeWriter, options: BuildOptions, progress: Progress) -> None:
        self.writer = writer
        self.options = options
        self.progress = progress
        self.counter = TermCounter()
        self.numbers: dict[str, array[float]] = {}
        self.counts = array("d")
        self.paths = None if options.tree == "clusters" else PathReader()
        self.paths_read: PathsRead | None = None
        self.categories: Category | None = None
        self.seconds: dict[str, float] = {}
        self._since = time.perf_counter()

    def run(self, items: Iterable[Item], path: Path) -> BuildReport:
        """Do it all, up to a staged file that only needs publishing."""
        self._read(items)
        self.writer.end_items()
        vocabulary, words = self.counter.finish()
        # Every word that was ever met is in it, which may be more than all that follows.
        del self.counter
        points = self.options.given.for_items(words.shape[0]) if self.options.given else words
        self.writer.add_vectors(0, points)
        self._done("vectors")
        shape = self._grow(points)
        self._done("tree")
        self._write_tree(shape, vocabulary, words, points)
        self._done("describe and write")
        return self._report(path, shape, len(vocabulary.terms))

    def _done(self, phase: str) -> None:
        now = time.perf_counter()
        self.seconds[phase] = round(now - self._since, 3)
        self._since = now

    def _read(self, items: Iterable[Item]) -> None:
        left = iter(items)
        while some := list(islice(left, REPORT_EVERY)):
            self._take(some)
            self.progress("reading", self.writer.items, None)
        if not self.writer.items:
            raise TreeError("the catalog has no items.", detail="Nothing was written.")
        if self.paths is not None:
            self.categories, self.paths_read = self.paths.finish()
        self.progress("reading", self.writer.items, self.writer.items)
        self._done("read")

    def _take(self, items: Sequence[Item]) -> None:
        """Take in the next items."""
        self._note_numbers(items)
        popularity, given, paths = self.options.popularity, self.options.given, self.paths
        self.counter.add_all(items)
        self.writer.add_items(items)
        if popularity is not None:
            self.counts.extend(count_of(item, popularity) for item in items)
        for item in items if paths is not None or given is not None else ():
            if paths is not None:
                paths.add(item)
            if given is not None:
                given.add(item)

    def _note_numbers(self, items: Sequence[Item]) -> None:
        for name, values in values_by_name([item.attributes for item in items]).items():
            known = self.numbers.get(name)
            if known is None and len(self.numbers) >= RANGED_ATTRIBUTES:
                continue
            # Most columns hold only what is no number.
            if set(map(type, values.values())) <= _NO_NUMBERS:
                continue
            numbers = {place: as_float(each) for place, each in values.items() if is_number(each)}
            if not numbers:
                continue
            if known is None:
                known = self.numbers[name] = array("d")
            known.extend([math.nan] * (self.writer.items - len(known)))
            known.extend([numbers.get(place, math.nan) for place in range(len(items))])

    def _grow(self, points: csr_matrix | Floats) -> Shape:
        def report(done: int, total: int) -> None:
            self.progress("clustering", done, total)

        report(0, points.shape[0])
        bounds = self.options.bounds
        seed = self.options.seed
        workers = self.options.workers or available_cores()
        if self.categories is not None:
            clusters = self.options.tree == "paths+clusters"
            return Shape.of(
                grow_along_paths(
                    *(points, self.categories, bounds, seed, workers),
                    clusters=clusters,
                    report=report,
                )
            )
        root = grow_in_processes(points, bounds, seed, workers, report)
        return Shape.of(straighten(root, bounds))

    def _write_tree(
        self,
        shape: Shape,
        vocabulary: TermVocabulary,
        words: csr_matrix,
        points: csr_matrix | Floats,
    ) -> None:
        self.progress("describing", 0, len(shape.parents))
        prior = self._prior()
        self._place_items(shape, prior)
        sums = node_sums(shape, words)
        sources = Sources(vocabulary, words, self.writer.titles, self._full_numbers())
        spans = node_spans(shape, sources.numbers)
        descriptions = describe_nodes(shape, sources, sums, spans)
        self.progress("writing", 0, len(shape.order))
        node_points = sums if points is words else dense_sums(shape, points)
        parts = packed_parts(strongest_rows(node_points, NODE_TERMS), precise=True)
        packed = chain.from_iterable(part.rows() for part in parts)
        self.writer.add_nodes(
            NodeRow(
                id=ROOT + n,
                parent=ROOT + parent if parent >= 0 else None,
                place=n,
                depth=shape.depths[n],
                size=shape.ends[n] - shape.starts[n],
                leaf=shape.leaves[n],
                description=descriptions[n].to_json(),
                spans=json.dumps(spans[n]),
                prior=_mean_prior(prior, shape, n),
                packed=packed_sum,
            )
            for n, (parent, packed_sum) in enumerate(zip(shape.parents, packed, strict=True))
        )
        self.writer.add_terms(
            (n, term, int(used)) for n, (term, used) in enumerate(vocabulary.counts())
        )
        self.writer.finish(self._facts(shape, vocabulary))

    def _place_items(self, shape: Shape, prior: NDArray[np.float64] | None) -> None:
        at = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
        sizes = [shape.ends[n] - shape.starts[n] for n in at]
        leaves = np.zeros(len(shape.order), np.int64)
        leaves[shape.order] = np.repeat(np.array(at) + ROOT, sizes)
        self.writer.place_items(leaves, prior)

    def _full_numbers(self) -> dict[str, NDArray[np.float64]]:
        total = self.writer.items
        full = {}
        for name, known in self.numbers.items():
            known.extend([math.nan] * (total - len(known)))
            full[name] = np.array(known)
        return full

    def _prior(self) -> NDArray[np.float64] | None:
        """Return the popularity of each item between 0 and 1, on a logarithmic scale."""
        name = self.options.popularity
        if name is None:
            return None
        logs = np.log1p(np.maximum(np.array(self.counts), 0))
        if not np.nanmax(logs, initial=0) > 0:
            raise TreeError(
                f"no item has a positive number in the attribute {name!r}.",
                detail="Nothing was written.",
                remedy="name an attribute that counts something, or leave --popularity out.",
            )
        prior: NDArray[np.float64] = np.nan_to_num(logs / np.nanmax(logs))
        return prior

    def _top_log(self) -> float:
        """Return what stands for the highest popularity, 1, on the logarithmic scale."""
        counts = np.nan_to_num(np.array(self.counts, np.float64))
        return float(np.log1p(counts.max(initial=0)))

    def _facts(self, shape: Shape, vocabulary: TermVocabulary) -> dict[str, object]:
        given = self.options.given
        bounds = self.options.bounds
        return {
            "items": self.writer.items,
            "space": "given" if given else "terms",
            "embedded_by": given.model if given else None,
            "pieces": vocabulary.with_ngrams,
            "popularity": self.options.popularity,
            "popularity_top": self._top_log(),
            "generation": 0,
            "seed": self.options.seed,
            "tree": self.options.tree,
            "asked_columns": self.options.asked,
            "next_node": ROOT + len(shape.parents),
            "next_item": self.writer.items,
            "next_term": len(vocabulary.terms),
            "bounds": {name: getattr(bounds, name) for name in Bounds.__slots__},
        }

    def _report(self, path: Path, shape: Shape, terms: int) -> BuildReport:
        sizes = [
            end - start
            for start, end, leaf in zip(shape.starts, shape.ends, shape.leaves, strict=True)
            if leaf
        ]
        return BuildReport(
            path=path,
            items=self.writer.items,
            leaves=len(sizes),
            branches=len(shape.leaves) - len(sizes),
            depth=max(shape.depths),
            smallest_leaf=min(sizes),
            largest_leaf=max(sizes),
            most_children=max(map(len, shape.children())),
            terms=terms,
            seconds=dict(self.seconds),
            paths=self.paths_read,
        )


def count_of(item: Item, popularity: str) -> float:
    """Return how often an item was met; NaN if that is not known.

    Raises:
        TreeError: the attribute holds something else than a number.
    """
    value = item.attributes.get(popularity)
    count = math.nan if value is None or isinstance(value, str | tuple) else as_float(value)
    if isinstance(value, str | tuple) or math.isinf(count):
        raise TreeError(
            f"item {item.id!r}: the attribute {popularity!r} is {value!r:.80}, "
            "which counts nothing.",
            detail="Nothing was written.",
            remedy="name an attribute that holds counts.",
        )
    return count


def is_number(value: object) -> TypeGuard[float]:
    """Say whether a value of an attribute is a number, which no truth value is."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def as_float(value: float) -> float:
    """Return a number in double precision; what is beyond it becomes infinite."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def dense_sums(shape: Shape, points: Floats) -> Floats:
    """Return for each node the sum of its items' dense vectors."""
    leaves = [n for n, is_leaf in enumerate(shape.leaves) if is_leaf]
    # Leaf by leaf: all points in the order of the tree would be a second copy of them.
    running = np.zeros((len(leaves) + 1, points.shape[1]))
    for place, leaf in enumerate(leaves, start=1):
        running[place] = points[shape.order[shape.starts[leaf] : shape.ends[leaf]]].sum(axis=0)
    np.cumsum(running, axis=0, out=running)
    # A node covers a run of leaves, for both are numbered depth first.
    ends = np.concatenate([[0], np.array(shape.ends)[leaves]])
    first, last = np.searchsorted(ends, shape.starts), np.searchsorted(ends, shape.ends)
    sums: Floats = (running[last] - running[first]).astype(np.float32)
    return sums


def _mean_prior(prior: NDArray[np.float64] | None, shape: Shape, node: int) -> float:
    if prior is None:
        return 0.0
    return float(prior[shape.order[shape.starts[node] : shape.ends[node]]].mean())
