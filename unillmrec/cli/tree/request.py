"""What the flags of `unillmrec tree` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import json_flag, tree_file


@dataclass(frozen=True, kw_only=True)
class TreeRequest:
    """The flags of `unillmrec tree`."""

    tree: Path = tree_file()
    depth: int | None = option(
        "--depth",
        help="Show or export this many levels. Default: as many as fit on a screen; all levels "
        "for an export.",
        default=None,
        metavar="N",
        min=0,
    )
    node: int | None = option(
        "--node", help="Show this node and what it holds.", default=None, metavar="ID"
    )
    find: str | None = option(
        "--find",
        help="Show the items whose id or title contains this text.",
        default=None,
        metavar="TEXT",
    )
    limit: int = option(
        "--limit", help="Show at most this many found items.", default=20, metavar="N", min=1
    )
    export: tuple[str, Path] | None = option(
        "--export",
        help="Write the nodes as a graph, in the format graphml, dot or json; - is standard "
        "output.",
        default=None,
        metavar="FORMAT OUT",
    )
    overwrite: bool = option(
        "--overwrite", help="Replace an existing exported file.", default=False
    )
    json: bool = json_flag()
