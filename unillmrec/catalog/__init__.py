"""Read a catalog file of any format as a stream of checked items.

A new file format is one module in `catalog/formats/` and one line in `catalog/formats/registry.py`.
"""

from unillmrec.catalog.columns import Columns
from unillmrec.catalog.formats.registry import FORMATS
from unillmrec.catalog.reader import (
    CatalogReader,
    OnDuplicate,
    OnError,
    SkippedRow,
    catalog_from_items,
    read_catalog,
)

__all__ = [
    "FORMATS",
    "CatalogReader",
    "Columns",
    "OnDuplicate",
    "OnError",
    "SkippedRow",
    "catalog_from_items",
    "read_catalog",
]
