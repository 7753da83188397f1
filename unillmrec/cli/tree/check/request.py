"""What the flags of `unillmrec tree check` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.groups import CallFlags, json_flag, tree_file, yes_flag
from unillmrec.cli.flags.headings import MODEL


@dataclass(frozen=True, kw_only=True)
class CheckRequest(CallFlags):
    """The flags of `unillmrec tree check`."""

    tree: Path = tree_file()
    route: int | None = option(
        "--route",
        help="Hide this many items, and ask on each level which branch holds them.",
        default=None,
        metavar="N",
        min=1,
    )
    seed: int = option(
        "--seed", help="Random seed for the choice of hidden items.", default=0, metavar="N"
    )
    share: float = option(
        "--share",
        help="Treat a description as out of date once this share of its items has changed.",
        default=0.2,
        metavar="0…1",
        min=0,
        max=1,
    )
    yes: bool = yes_flag()
    judge: Literal["endpoint", "embedded"] = option(
        "--judge",
        help="Who looks for hidden items: a judge that only compares words of descriptions, or "
        "the model at the endpoint.",
        default="embedded",
        group=MODEL,
        metavar="endpoint|embedded",
    )
    json: bool = json_flag()
