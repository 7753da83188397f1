"""A folder of your own: a catalog and a table of interactions in any format read elsewhere."""

from __future__ import annotations

from pathlib import Path

from unillmrec.catalog import read_catalog
from unillmrec.evaluation.datasets.files import LoadedDataset, find_file
from unillmrec.people.interactions import read_interactions

_SUFFIXES = ("jsonl", "csv", "tsv", "json", "parquet")


def load(folder: Path) -> LoadedDataset:
    """Read `items.*` and `interactions.*`."""
    items, interactions = (
        find_file(folder, *(f"{name}.{suffix}" for suffix in _SUFFIXES))
        for name in ("items", "interactions")
    )
    return LoadedDataset(tuple(read_catalog(items)), read_interactions(interactions))
