"""What the flags of `unillmrec insert`, `update`, `upsert`, `delete` and `sync` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.groups import (
    CatalogFlags,
    base_url_flag,
    json_flag,
    tree_file,
    usage_log_flag,
)


def batch_flag() -> int | None:
    """Declare --batch."""
    return option(
        "--batch",
        help="Commit after this many items. Default: everything in one transaction.",
        default=None,
        metavar="N",
        min=1,
    )


def ignore_missing_flag() -> bool:
    """Declare --ignore-missing."""
    return option("--ignore-missing", help="Skip ids that are not in the tree.", default=False)


@dataclass(frozen=True, kw_only=True)
class ChangeRequest(CatalogFlags):
    """What all changes have in common that read items."""

    file: Path = tree_file()
    vectors: Path | None = option(
        "--vectors",
        help="The items' vectors, one row per item, for a tree built with --vectors.",
        default=None,
        metavar="FILE.npy",
    )
    embed: str | None = option(
        "--embed",
        help="The model that embedded the tree's items. (UNILLMREC_EMBED_MODEL)",
        default=None,
        metavar="MODEL",
    )
    base_url: str | None = base_url_flag()
    usage_log: str | None = usage_log_flag()
    plan: bool = option(
        "--plan",
        help="Estimate the cost of embedding and describing again; change and send nothing.",
        default=False,
    )
    json: bool = json_flag()

    @property
    def embed_model(self) -> str | None:
        """The embedding model, under the name of its setting."""
        return self.embed


@dataclass(frozen=True, kw_only=True)
class ItemsRequest(ChangeRequest):
    """The flags of `insert` and `upsert`."""

    items: str | None = argument(
        "ITEMS", help="A file of items, in a catalog format; - reads standard input.", default=None
    )
    item: str | None = option(
        "--item", help="One item as a JSON object, instead of a file.", default=None, metavar="JSON"
    )
    batch: int | None = batch_flag()


@dataclass(frozen=True, kw_only=True)
class UpdateRequest(ItemsRequest):
    """The flags of `update`."""

    ignore_missing: bool = ignore_missing_flag()


@dataclass(frozen=True, kw_only=True)
class SyncRequest(ChangeRequest):
    """The flags of `sync`."""

    catalog: str = argument(
        "CATALOG", help="JSONL, JSON, CSV or TSV (each also .gz), or Parquet; - reads stdin."
    )


@dataclass(frozen=True, kw_only=True)
class DeleteRequest:
    """The flags of `delete`."""

    file: Path = tree_file()
    ids: list[str] | None = argument("ID…", help="Ids of the items to delete.", default=None)
    id_file: str | None = option(
        "--ids",
        help="A file of ids (JSON, JSON Lines, CSV, or one id per line); - reads standard input.",
        default=None,
        metavar="FILE|-",
    )
    ignore_missing: bool = ignore_missing_flag()
    batch: int | None = batch_flag()
    json: bool = json_flag()
