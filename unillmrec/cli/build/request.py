"""What the flags of `unillmrec build` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.groups import CatalogFlags, base_url_flag, json_flag, usage_log_flag


@dataclass(frozen=True, kw_only=True)
class BuildRequest(CatalogFlags):
    """The flags of `unillmrec build`."""

    catalog: str = argument(
        "CATALOG", help="JSONL, JSON, CSV or TSV (each also .gz), or Parquet; - reads stdin."
    )
    output: Path | None = option(
        "-o",
        "--output",
        help="Write the tree to this file. Default: CATALOG's name with .tree, in this folder.",
        default=None,
        metavar="FILE",
    )
    tree: Literal["clusters", "paths", "paths+clusters"] = option(
        "--tree",
        help="Make branches from clusters of similar items, from the catalog's category paths, "
        "or from paths with clusters where a category is too large or too small.",
        default="clusters",
        metavar="clusters|paths|paths+clusters",
    )
    popularity: str | None = option(
        "--popularity",
        help="Numeric attribute that counts how often an item was used.",
        default=None,
        metavar="NAME",
    )
    vectors: Path | None = option(
        "--vectors",
        help="Cluster these vectors instead of words: an array with one row per item.",
        default=None,
        metavar="FILE.npy",
    )
    embed: str | None = option(
        "--embed",
        help="Cluster vectors from this embedding model at the endpoint. (UNILLMREC_EMBED_MODEL)",
        default=None,
        metavar="MODEL",
    )
    fan_out: int = option(
        "--fan-out",
        help="Target number of children per branch.",
        default=16,
        metavar="N",
        min=2,
        max=20,
    )
    leaf_size: int = option(
        "--leaf-size",
        help="Target number of items per leaf.",
        default=30,
        metavar="N",
        min=3,
        max=30,
    )
    seed: int = option(
        "--seed", help="Random seed; the same seed gives the same tree.", default=0, metavar="N"
    )
    workers: int = option(
        "--workers",
        help="Number of processes; 0 means one per core.",
        default=0,
        metavar="N",
        min=0,
    )
    engine: Literal["local", "processes", "ray"] | None = option(
        "--engine",
        help="Build in shards, for catalogs larger than memory: one after the other, in "
        "processes, or on Ray (at RAY_ADDRESS, else on this machine).",
        default=None,
        metavar="local|processes|ray",
    )
    work: Path | None = option(
        "--work",
        help="Build in shards and keep finished steps in this folder, so that a killed build "
        "can resume.",
        default=None,
        metavar="DIR",
    )
    overwrite: bool = option("--overwrite", help="Replace an existing tree.", default=False)
    plan: bool = option(
        "--plan",
        help="Estimate what --embed, and `unillmrec describe` afterwards, would cost; send and "
        "keep nothing.",
        default=False,
    )
    base_url: str | None = base_url_flag()
    usage_log: str | None = usage_log_flag()
    json: bool = json_flag()

    @property
    def path(self) -> Path:
        """The file the tree is written to.

        Raises:
            typer.TyperException: the catalog is standard input, and no file was named.
        """
        if self.output:
            return self.output
        if self.catalog == "-":
            raise typer.TyperException("A catalog from standard input has no name; give -o FILE.")
        return Path(Path(Path(self.catalog).name.removesuffix(".gz")).stem + ".tree")

    @property
    def embed_model(self) -> str | None:
        """The embedding model, under the name of its setting."""
        return self.embed
