"""A folder with a catalog and a table of interactions, each in any form that is read here."""

from __future__ import annotations

from pathlib import Path

from unillmrec.catalog import read_catalog
from unillmrec.evaluation.datasets.files import LoadedSet, find
from unillmrec.people.interactions import read_interactions

_ENDINGS = ("jsonl", "csv", "tsv", "json", "parquet")


def load(folder: Path) -> LoadedSet:
    """Read `items.*` and `interactions.*`."""
    items = find(folder, *(f"items.{ending}" for ending in _ENDINGS))
    met = find(folder, *(f"interactions.{ending}" for ending in _ENDINGS))
    return LoadedSet(tuple(read_catalog(items)), read_interactions(met))
