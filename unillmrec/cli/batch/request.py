"""What the flags of `unillmrec batch` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.groups import (
    JudgeFlag,
    ModelFlags,
    ReplyFlags,
    exclude_flag,
    json_flag,
    plan_flag,
    tree_file,
    where_flag,
)
from unillmrec.cli.flags.walk import BudgetFlags, PathScore, WalkFlags, path_score_flag


@dataclass(frozen=True, kw_only=True)
class BatchRequest(WalkFlags, BudgetFlags, JudgeFlag, ModelFlags, ReplyFlags):
    """The flags of `unillmrec batch`."""

    tree: Path = tree_file()
    people: Path = argument(
        "PEOPLE",
        help="JSON Lines, CSV, TSV or Parquet; each row has an id, and a history, a like or a "
        "profile.",
    )
    out: Path = option("-o", "--out", help="Write the lists here, as JSON Lines.", metavar="FILE")
    path_score: PathScore = path_score_flag("absolute")
    where: str | None = where_flag()
    exclude: str | None = exclude_flag()
    unordered: bool = option(
        "--unordered",
        help="Write each list as soon as it is finished, not in the order of PEOPLE.",
        default=False,
    )
    restart: bool = option(
        "--restart", help="Discard what earlier runs did and start over.", default=False
    )
    engine: Literal["threads", "ray"] = option(
        "--engine",
        help="Work in threads of this process, or on Ray (at RAY_ADDRESS, else on this machine).",
        default="threads",
        metavar="threads|ray",
    )
    workers: int = option("--workers", help="Number of Ray workers.", default=2, metavar="N", min=1)
    plan: bool = plan_flag()
    json: bool = json_flag()

    @property
    def ray_workers(self) -> int | None:
        """The number of Ray workers; None for threads."""
        return self.workers if self.engine == "ray" else None
