"""Read a catalog file of any format as a stream of checked items.

A new file format is one module in `catalog/formats/` and one line in `catalog/formats/registry.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from unillmrec.system.lazy_names import lazy_names

if TYPE_CHECKING:
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

_HOMES = {
    "CatalogReader": "reader",
    "Columns": "columns",
    "FORMATS": "formats.registry",
    "OnDuplicate": "reader",
    "OnError": "reader",
    "SkippedRow": "reader",
    "catalog_from_items": "reader",
    "read_catalog": "reader",
}
__getattr__ = lazy_names(__name__, _HOMES)
