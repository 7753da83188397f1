"""The shard functions, which any backend can run on any machine that sees the work folder.

Each reads files and leaves files that are complete or absent. A function whose marker is there
already does nothing, so that a killed build resumes.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.popularity import mean_priors
from unillmrec.building.shards.catalog_facts import CatalogFacts
from unillmrec.building.shards.grown_cells import write_cell
from unillmrec.building.shards.sampled_terms import TermWeigher, learn_vocabulary
from unillmrec.building.shards.shard_rows import ItemRows, read_cells, write_shard
from unillmrec.building.shards.top_tree import grow_top, largest_in_sample, read_top, write_top
from unillmrec.building.shards.work_folder import Array, WorkFolder, numbered, read_items
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.growing import Shape, flatten, grow
from unillmrec.tree.keyword_descriptions import Sources, describe_nodes, node_spans, node_sums
from unillmrec.tree.terms import TermVocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


def learn_top(work: Path, number: int = 0) -> None:
    """Learn the vocabulary and the top of the tree from the sample."""
    folder = WorkFolder(work)
    catalog = CatalogFacts.read(folder)
    if folder.find_marker("top") is not None:
        return
    with folder.open_to_read("sample.jsonl") as file:
        sample = list(read_items(file))
    vocabulary = learn_vocabulary(sample, catalog.items)
    rows = TermWeigher(vocabulary, catalog.items).rows(sample)
    largest = largest_in_sample(catalog.cell, len(sample), catalog.items, catalog.bounds)
    top = grow_top(rows, catalog.bounds, catalog.seed, largest)
    write_top(folder, vocabulary, top, catalog.digest)


def map_shard(work: Path, number: int) -> None:
    """Weigh the items of one slice, assign them to cells, and write them cell by cell."""
    folder = WorkFolder(work)
    if folder.find_marker(numbered("shard", number)) is not None:
        return
    catalog = CatalogFacts.read(folder)
    with folder.open_to_read(numbered("slice", number) + ".jsonl") as file:
        items = list(read_items(file))
    vocabulary, top = read_top(folder)
    with one_thread():
        rows = TermWeigher(vocabulary, catalog.items).rows(items)
        cells = top.cells_of(rows)
    numbers = np.arange(len(items)) + folder.marker(numbered("slice", number))["first"]
    titles = [item.title for item in items]
    write_shard(folder, number, ItemRows(numbers, rows, catalog.values(items), titles), cells)


def grow_cell(work: Path, number: int) -> None:
    """Grow and describe the subtree of one group of cells, from the rows of all shards."""
    folder = WorkFolder(work)
    if folder.find_marker(numbered("cell", number)) is not None:
        return
    catalog = CatalogFacts.read(folder)
    vocabulary, _ = read_top(folder)
    group = folder.marker("cells")["groups"][number]
    items = read_cells(folder, group["cells"], len(catalog.slices), len(vocabulary.terms))
    columns = np.unique(items.rows.indices)
    rows = _keep_columns(items.rows, columns)
    bounds = catalog.bounds
    with one_thread():
        # A catalog of a single cell is grown as it would be in memory.
        grown = grow(rows, np.arange(len(items.numbers)), bounds, (catalog.seed, *group["place"]))
        # The top of a cell becomes an ordinary branch.
        shape = Shape.of(flatten(grown, replace(bounds, root_children=bounds.fan_out)))
        sums = node_sums(shape, rows)
    columns_of_cell = _local_vocabulary(vocabulary, columns, len(items.numbers), catalog.items)
    spans = node_spans(shape, _ranged_values(items, catalog))
    sources = Sources(columns_of_cell, rows, items.titles_at)
    descriptions = describe_nodes(shape, sources, sums, spans)
    means = mean_priors(shape, catalog.priors(items.values))
    write_cell(folder, number, items, shape, (sums, rows, columns), (descriptions, spans, means))


def _ranged_values(items: ItemRows, catalog: CatalogFacts) -> dict[str, NDArray[np.float64]]:
    return {name: items.values[:, column] for column, name in enumerate(catalog.ranged)}


def _keep_columns(rows: csr_matrix, columns: Array) -> csr_matrix:
    """Return *rows* with only the *columns* that they use."""
    from scipy.sparse import csr_matrix

    places = np.searchsorted(columns, rows.indices).astype(np.int32)
    return csr_matrix((rows.data, places, rows.indptr), shape=(rows.shape[0], max(len(columns), 1)))


def _local_vocabulary(
    vocabulary: TermVocabulary, columns: Array, count: int, total: int
) -> TermVocabulary:
    """Return the terms at *columns*, with numbers of uses that preserve their idf.

    Descriptions compute the idf from the *count* items of the cell, but it has to be that of the
    *total* items of the catalog.
    """
    if not len(columns):
        return TermVocabulary([""], np.zeros(1, np.int64), vocabulary.with_ngrams)
    terms = vocabulary.terms
    used: NDArray[Any] = (1 + vocabulary.used_by[columns]) * ((1 + count) / (1 + total)) - 1
    return TermVocabulary([terms[place] for place in columns], used, vocabulary.with_ngrams)
