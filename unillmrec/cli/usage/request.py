"""What the flags of `unillmrec usage` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.groups import json_flag, usage_log_flag


@dataclass(frozen=True, kw_only=True)
class UsageRequest:
    """The flags of `unillmrec usage`."""

    file: Path | None = argument(
        "FILE",
        help="A tree or a usage log. Default: the log of the settings, else the only one in "
        "this folder.",
        default=None,
    )
    by: Literal["stage", "run", "model", "day", "person"] = option(
        "--by",
        help="Print one line for each of these.",
        default="stage",
        metavar="stage|run|model|day|person",
    )
    since: str | None = option(
        "--since",
        help="Count only calls since this day, or since this many weeks, days or hours ago.",
        default=None,
        metavar="YYYY-MM-DD|2w|7d|12h",
    )
    usage_log: str | None = usage_log_flag()
    json: bool = json_flag()
