"""Open a catalog the way the flags of a command say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unillmrec.catalog import CatalogReader, Columns, read_catalog
from unillmrec.cli.flags.groups import CatalogFlags

# Under which name a tree remembers each column flag of its build.
_REMEMBERED = {
    "id": "id_column",
    "title": "title_column",
    "text": "text_columns",
    "path": "path_columns",
    "separator": "path_separator",
    "as_text": "as_text",
}


def column_flags(flags: CatalogFlags) -> dict[str, Any]:
    """Return the column flags that were given, as a tree remembers them for later changes."""
    given = {name: getattr(flags, flag) for name, flag in _REMEMBERED.items()}
    return {name: value for name, value in given.items() if value}


def reading_options(flags: CatalogFlags, remembered: Mapping[str, Any]) -> dict[str, Any]:
    """Return keyword arguments for reading a catalog; *remembered* fills in missing flags."""
    columns = {**remembered, **column_flags(flags)}
    text, path = columns.get("text"), columns.get("path")
    return {
        "columns": Columns(
            columns.get("id"),
            columns.get("title"),
            tuple(text) if text else None,
            tuple(path) if path else None,
            columns.get("separator"),
        ),
        "on_error": flags.on_error,
        "on_duplicate": flags.on_duplicate,
        "as_text": tuple(columns.get("as_text") or ()),
    }


def open_catalog(
    source: str, flags: CatalogFlags, remembered: Mapping[str, Any] | None = None
) -> CatalogReader:
    """Open the catalog at *source*; *remembered* holds the column flags of an earlier build."""
    options = reading_options(flags, remembered or {})
    return read_catalog(source, format=flags.format, **options)
