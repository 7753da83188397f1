"""The catalog formats by name. A new format is one module in this folder and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from unillmrec.catalog.formats.contract import CatalogFormat
from unillmrec.catalog.formats.delimited import CSV, TSV
from unillmrec.catalog.formats.json_document import JSON
from unillmrec.catalog.formats.json_lines import JSONL
from unillmrec.catalog.formats.parquet import PARQUET

FORMATS: Mapping[str, CatalogFormat] = MappingProxyType(
    {each.name: each for each in (JSONL, JSON, CSV, TSV, PARQUET)}
)
