"""The shard functions: each reads files of a work folder and leaves one that is whole or not there.

Whatever engine runs them, wherever and in whatever order, they leave the same files; one whose
marker is there already does nothing.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from unillmrec.building.pipeline import as_float, count_of, is_number
from unillmrec.building.shards.cells import TopTree, grow_top, largest_in_sample
from unillmrec.building.shards.sampled_terms import TermWeigher, learn_vocabulary
from unillmrec.building.shards.work_folder import (
    Array,
    WorkFolder,
    numbered,
    packed_texts,
    read_arrays,
    read_items,
    unpacked_texts,
    write_arrays,
)
from unillmrec.items import Item
from unillmrec.tree.clustering import one_thread
from unillmrec.tree.descriptions import Description
from unillmrec.tree.growing import Bounds, Shape, grow, straighten
from unillmrec.tree.keyword_descriptions import Sources, describe_nodes, node_spans, node_sums
from unillmrec.tree.node_summary.value_spans import Spans
from unillmrec.tree.terms import TermVocabulary
from unillmrec.tree.vector_rows import row_vector
from unillmrec.tree.vectors import NODE_TERMS, Vector

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Nodes this near to the top of a cell may come to hang elsewhere when the tree is stitched, and
# their descriptions are then made anew: of these all that this takes is kept.
KEPT_DEPTH = 3
ROW_ARRAYS = 7
CELL_ARRAYS = 15


# What all shard functions read


@dataclass(frozen=True, slots=True)
class Catalog:
    """What is known of the whole catalog once it is sliced."""

    items: int
    slices: list[str]
    digest: str
    seed: int
    bounds: Bounds
    cell: int
    popularity: str | None
    top_log: float
    ranged: list[str]


def read_catalog_facts(work: Path) -> Catalog:
    """Return what the slicing found."""
    kept = WorkFolder(work).needed("catalog")
    return Catalog(**{**kept, "bounds": Bounds(**kept["bounds"])})


@lru_cache(maxsize=1)
def _read_top(work: Path, digest: str) -> tuple[TermVocabulary, TopTree]:
    from scipy.sparse import csr_matrix

    folder = WorkFolder(work)
    kept = folder.needed("top")
    with folder.reading("top.arrays") as file:
        used_by, data, ids, ends = read_arrays(file, 4)
    with folder.reading("top.terms") as file:
        vocabulary = TermVocabulary(json.loads(file.read()), used_by, kept["pieces"])
    shape = (len(kept["parents"]), len(used_by))
    return vocabulary, TopTree(kept["parents"], csr_matrix((data, ids, ends), shape=shape))


def read_top(work: Path) -> tuple[TermVocabulary, TopTree]:
    """Return the words and the top tree that the sample gave."""
    return _read_top(work, WorkFolder(work).needed("top")["digest"])


@dataclass(frozen=True, slots=True)
class CellRows:
    """Items as map_shard leaves them: a row of terms each, values of ranged attributes, titles.

    The last column of *values* counts how often the item was met.
    """

    numbers: Array
    rows: csr_matrix
    values: NDArray[np.float64]
    titles: list[str]

    def titled(self, places: Sequence[int]) -> dict[int, str]:
        """Return the titles at *places*."""
        return {place: self.titles[place] for place in places}


# Sample


def learn_top(work: Path, number: int = 0) -> None:
    """Learn words and the top of the tree from the sample."""
    folder = WorkFolder(work)
    catalog = read_catalog_facts(work)
    if folder.marker("top") is not None:
        return
    with folder.reading("sample.jsonl") as file:
        sample = list(read_items(file))
    vocabulary = learn_vocabulary(sample, catalog.items)
    rows = TermWeigher(vocabulary, catalog.items).rows(sample)
    largest = largest_in_sample(catalog.cell, len(sample), catalog.items, catalog.bounds)
    top = grow_top(rows, catalog.bounds, catalog.seed, largest)
    centres = top.centres
    with folder.writing("top.arrays") as file:
        write_arrays(file, (vocabulary.used_by, centres.data, centres.indices, centres.indptr))
    with folder.writing("top.terms") as file:
        file.write(json.dumps(vocabulary.terms).encode())
    kept = {"parents": top.parents, "pieces": vocabulary.with_ngrams, "digest": catalog.digest}
    folder.finish("top", kept)


# Map


def map_shard(work: Path, number: int) -> None:
    """Weigh the items of one slice, find their cells, and write them cell by cell."""
    folder = WorkFolder(work)
    name = numbered("shard", number)
    if folder.marker(name) is not None:
        return
    catalog = read_catalog_facts(work)
    with folder.reading(numbered("slice", number) + ".jsonl") as file:
        items = list(read_items(file))
    vocabulary, top = read_top(work)
    with one_thread():
        rows = TermWeigher(vocabulary, catalog.items).rows(items)
        cells = top.cell_of(rows)
    values = _values(items, catalog)
    first = folder.needed(numbered("slice", number))["first"]
    order = np.argsort(cells, kind="stable")
    found, starts = np.unique(cells[order], return_index=True)
    offsets = []
    with folder.writing(f"{name}.rows") as file:
        write_arrays(file, [np.bincount(rows.indices, minlength=rows.shape[1]).astype(np.int32)])
        for held in np.split(order, starts[1:]):
            offsets.append(file.tell())
            titles = [items[place].title for place in held.tolist()]
            _write_rows(file, CellRows(first + held, rows[held], values[held], titles))
    sizes = np.diff([*starts, len(items)])
    with folder.writing(f"{name}.index") as file:
        write_arrays(file, (found, sizes, np.array(offsets, np.int64)))
    folder.finish(name, {"items": len(items)})


def read_index(work: Path, shard: int) -> tuple[Array, Array, Array]:
    """Return the cells of a shard, ascending, how many items each has, and where they begin."""
    with WorkFolder(work).reading(numbered("shard", shard) + ".index") as file:
        cells, sizes, offsets = read_arrays(file, 3)
    return cells, sizes, offsets


def _values(items: Sequence[Item], catalog: Catalog) -> NDArray[np.float64]:
    """Return the ranged attributes of items, and last how often each was met."""
    values = np.full((len(items), len(catalog.ranged) + 1), math.nan)
    for row, item in enumerate(items):
        for column, name in enumerate(catalog.ranged):
            value = item.attributes.get(name)
            if is_number(value):
                values[row, column] = as_float(value)
        if catalog.popularity is not None:
            values[row, -1] = count_of(item, catalog.popularity)
    return values


def _write_rows(file: BinaryIO, held: CellRows) -> None:
    packed, ends = packed_texts(held.titles)
    rows = held.rows
    write_arrays(
        file,
        (held.numbers, rows.data, rows.indices, rows.indptr, held.values, packed, ends),
    )


def _read_rows(file: BinaryIO, width: int) -> CellRows:
    from scipy.sparse import csr_matrix

    numbers, data, ids, ends, values, packed, text_ends = read_arrays(file, ROW_ARRAYS)
    rows = csr_matrix((data, ids, ends), shape=(len(numbers), width))
    return CellRows(numbers, rows, values, unpacked_texts(packed, text_ends))


def read_shard(work: Path, number: int, width: int) -> tuple[Array, CellRows]:
    """Return how many items use each term, and all items of a shard in the catalog's order."""
    cells, _, _ = read_index(work, number)
    with WorkFolder(work).reading(numbered("shard", number) + ".rows") as file:
        (used_by,) = read_arrays(file, 1)
        return used_by, _together([_read_rows(file, width) for _ in cells])


def _together(parts: Sequence[CellRows]) -> CellRows:
    """Return the items of several parts, in the order of the catalog."""
    from scipy.sparse import vstack

    numbers = np.concatenate([part.numbers for part in parts])
    order = np.argsort(numbers)
    titles = [title for part in parts for title in part.titles]
    return CellRows(
        numbers[order],
        vstack([part.rows for part in parts], format="csr")[order],
        np.concatenate([part.values for part in parts])[order],
        [titles[place] for place in order.tolist()],
    )


# Grow


def grow_cell(work: Path, number: int) -> None:
    """Grow and describe the subtree of one group of cells, from the rows of all shards."""
    folder = WorkFolder(work)
    name = numbered("cell", number)
    if folder.marker(name) is not None:
        return
    catalog = read_catalog_facts(work)
    vocabulary, _ = read_top(work)
    group = folder.needed("cells")["groups"][number]
    held = _collect(work, group["cells"], len(catalog.slices), len(vocabulary.terms))
    columns = np.unique(held.rows.indices)
    rows = _narrowed(held.rows, columns)
    bounds = catalog.bounds
    with one_thread():
        # A catalog of a single cell is grown as it would be in memory.
        place = (catalog.seed, *group["place"])
        grown = grow(rows, np.arange(len(held.numbers)), bounds, place)
        # The top of a cell becomes an ordinary branch.
        shape = Shape.of(straighten(grown, replace(bounds, root_children=bounds.fan_out)))
        sums = node_sums(shape, rows)
    local = _local_vocabulary(vocabulary, columns, len(held.numbers), catalog.items)
    described, spans = _described(shape, held, Sources(local, rows, held.titled), catalog, sums)
    firsts = np.array([each.typical[0] for each in described])
    with folder.writing(f"{name}.arrays") as file:
        write_arrays(file, _shape_arrays(shape, held, priors_of(catalog, held.values)))
        write_arrays(file, _sum_arrays(shape, sums, columns, rows[firsts]))
    _write_texts(folder, name, described, spans, held)
    _write_values(folder, name, held)
    folder.finish(name, {"items": len(held.numbers), "nodes": len(shape.parents)})


def _described(
    shape: Shape, held: CellRows, sources: Sources, catalog: Catalog, sums: csr_matrix
) -> tuple[list[Description], list[Spans]]:
    numbers = {name: held.values[:, column] for column, name in enumerate(catalog.ranged)}
    spans = node_spans(shape, numbers)
    return describe_nodes(shape, sources, sums, spans), spans


def _write_texts(
    folder: WorkFolder,
    name: str,
    described: Sequence[Description],
    spans: Sequence[Spans],
    held: CellRows,
) -> None:
    texts = {
        "descriptions": [
            replace(each, typical=tuple(held.numbers[list(each.typical)].tolist())).to_json()
            for each in described
        ],
        "spans": [json.dumps(each) for each in spans],
    }
    with folder.writing(f"{name}.json") as file:
        file.write(json.dumps(texts).encode())


def _write_values(folder: WorkFolder, name: str, held: CellRows) -> None:
    """Write the known values of each attribute, sorted, after how many there are of each."""
    known = [np.sort(column[~np.isnan(column)]) for column in held.values[:, :-1].T]
    with folder.writing(f"{name}.values") as file:
        file.write(np.array([len(column) for column in known], np.int64).tobytes())
        file.writelines(column.tobytes() for column in known)


def _collect(work: Path, cells: Sequence[int], shards: int, width: int) -> CellRows:
    """Return the items that all shards have for *cells*, in the order of the catalog."""
    folder = WorkFolder(work)
    parts = []
    for shard in range(shards):
        found, _, offsets = read_index(work, shard)
        wanted = offsets[np.isin(found, cells)].tolist()
        if wanted:
            with folder.reading(numbered("shard", shard) + ".rows") as file:
                for offset in wanted:
                    file.seek(offset)
                    parts.append(_read_rows(file, width))
    return _together(parts)


def _narrowed(rows: csr_matrix, columns: Array) -> csr_matrix:
    """Return *rows* with none but the *columns* they use."""
    from scipy.sparse import csr_matrix

    places = np.searchsorted(columns, rows.indices).astype(np.int32)
    return csr_matrix((rows.data, places, rows.indptr), shape=(rows.shape[0], max(len(columns), 1)))


def _local_vocabulary(
    vocabulary: TermVocabulary, columns: Array, held: int, total: int
) -> TermVocabulary:
    """Return the terms at *columns*, used by as many of *held* items as gives them their worth.

    Descriptions take the worth of a term from the number of items at hand.
    """
    if not len(columns):
        return TermVocabulary([""], np.zeros(1, np.int64), vocabulary.with_ngrams)
    terms = vocabulary.terms
    used: NDArray[Any] = (1 + vocabulary.used_by[columns]) * ((1 + held) / (1 + total)) - 1
    return TermVocabulary([terms[place] for place in columns], used, vocabulary.with_ngrams)


def priors_of(catalog: Catalog, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the popularity of items between 0 and 1, on a logarithmic scale."""
    if catalog.popularity is None:
        return np.zeros(len(values))
    logs = np.log1p(np.maximum(values[:, -1], 0))
    prior: NDArray[np.float64] = np.nan_to_num(logs / catalog.top_log)
    return prior


def _shape_arrays(shape: Shape, held: CellRows, priors: NDArray[np.float64]) -> list[Array]:
    starts, ends = np.array(shape.starts), np.array(shape.ends)
    ordered = priors[shape.order]
    means = [ordered[a:b].mean() for a, b in zip(shape.starts, shape.ends, strict=True)]
    return [
        *(np.array(shape.parents), np.array(shape.depths), starts, ends, np.array(shape.leaves)),
        held.numbers[shape.order],
        np.array(means),
    ]


def _sum_arrays(shape: Shape, sums: csr_matrix, columns: Array, firsts: csr_matrix) -> list[Array]:
    """Return the packed sums of all nodes; of those near the top all terms, and a typical row."""
    ids = columns.astype(np.int32) if len(columns) else np.zeros(1, np.int32)
    packed = []
    for node in range(len(shape.parents)):
        vector = row_vector(sums, node).strongest(NODE_TERMS)
        assert vector.ids is not None
        packed.append(Vector(vector.weights, ids[vector.ids]).to_bytes(precise=True))
    kept = np.flatnonzero(np.array(shape.depths) <= KEPT_DEPTH)
    whole, typical = sums[kept], firsts[kept]
    return [
        np.frombuffer(b"".join(packed), np.uint8),
        np.cumsum([len(each) for each in packed], dtype=np.int64),
        *(whole.data, ids[whole.indices], whole.indptr),
        *(typical.data, ids[typical.indices], typical.indptr),
    ]


STEPS: dict[str, Callable[[Path, int], None]] = {
    "top": learn_top,
    "map": map_shard,
    "grow": grow_cell,
}


def run_step(step: str, work: str, number: int) -> int:
    """Do one piece of work and return its number; what every engine runs."""
    STEPS[step](Path(work), number)
    return number
