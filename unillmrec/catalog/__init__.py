"""Read a catalog file, of whatever format, as a stream of checked items."""

from unillmrec.catalog.columns import Columns
from unillmrec.catalog.formats.detection import FORMATS
from unillmrec.catalog.reader import (
    CatalogReader,
    OnDuplicate,
    OnError,
    Skipped,
    catalog_from_items,
    read_catalog,
)

__all__ = [
    "FORMATS",
    "CatalogReader",
    "Columns",
    "OnDuplicate",
    "OnError",
    "Skipped",
    "catalog_from_items",
    "read_catalog",
]
