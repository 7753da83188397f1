"""What the flags of `unillmrec evaluate` ask for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from unillmrec.cli.flags.declare import argument, option
from unillmrec.cli.flags.groups import CallFlags, JudgeFlag, json_flag, plan_flag, yes_flag

HISTORIES = "The histories"


@dataclass(frozen=True, kw_only=True)
class EvaluateRequest(JudgeFlag, CallFlags):
    """The flags of `unillmrec evaluate`."""

    context: typer.Context
    """The running command, for the command line that the report names."""
    tree: Path | None = argument(
        "[FILE]",
        help="A tree file. With --dataset and without it, a temporary tree is built.",
        default=None,
    )
    histories: Path | None = option(
        "--histories",
        help="Interactions: CSV, TSV, JSON Lines or Parquet with user_id, item_id and optionally "
        "timestamp and rating; or JSON Lines with id and history.",
        default=None,
        group=HISTORIES,
        metavar="FILE",
    )
    dataset: str | None = option(
        "--dataset",
        help="A public data set in its published form, already downloaded: movielens-100k, -1m, "
        "-latest, mind, amazon-2014, -2018, -2023, goodreads, plain.",
        default=None,
        group=HISTORIES,
        metavar="NAME:DIR",
    )
    split: Literal["last", "time"] = option(
        "--split",
        help="Hold out the last item of each person, or everything after a point in time.",
        default="last",
        group=HISTORIES,
        metavar="last|time",
    )
    cutoff: str | None = option(
        "--cutoff",
        help="Hold out what happened from this date on. Default: the last tenth of the "
        "interactions. Needs --split time.",
        default=None,
        group=HISTORIES,
        metavar="DATE",
    )
    people: int = option(
        "--people",
        help="Draw this many people at random; 0 takes all.",
        default=1_000,
        group=HISTORIES,
        metavar="N",
        min=0,
    )
    least_rating: float | None = option(
        "--least-rating",
        help="Interactions rated below this count as seen but not liked. Default: that of the "
        "data set, else no limit.",
        default=None,
        group=HISTORIES,
        metavar="X",
    )
    seed: int = option(
        "--seed",
        help="Random seed for drawing people and for the confidence intervals.",
        default=42,
        metavar="N",
        min=0,
    )
    at: int = option(
        "--at", help="Recommend this many items to each person.", default=10, metavar="K", min=1
    )
    systems: str | None = option(
        "--systems",
        help="Compare with these baselines only. Default: all.",
        default=None,
        metavar="NAME,NAME…",
    )
    lists: Path | None = option(
        "--lists",
        help="Write every list to this new file, as JSON Lines.",
        default=None,
        metavar="FILE",
    )
    report: Path | None = option(
        "--report",
        help="Write a new HTML page with the tables, a plot, and examples of people for whom the "
        "systems differ.",
        default=None,
        metavar="FILE.html",
    )
    pseudonymise: bool = option(
        "--pseudonymise",
        help="Also walk a tree whose titles and names are replaced by made-up words, to measure "
        "how much the model only remembers.",
        default=False,
    )
    workers: int = option(
        "--workers",
        help="Number of processes; 0 means one per core. A model is always asked from one process.",
        default=0,
        metavar="N",
        min=0,
    )
    yes: bool = yes_flag()
    plan: bool = plan_flag()
    json: bool = json_flag()
