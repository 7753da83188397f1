"""Flags that say how a recommendation is made and what it may cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from unillmrec.cli.flags.declare import option
from unillmrec.cli.flags.headings import BUDGET, WALK

PathScore: TypeAlias = Literal["absolute", "relative", "probability"] | None


def path_score_flag(default: PathScore) -> PathScore:
    """Declare --path-score."""
    return option(
        "--path-score",
        help="Score a branch by the judge's own score (absolute), or by the scores along its path "
        "(the default where the judge gives only probabilities). With probability and "
        "--whole-leaves a walk can end certified.",
        default=default,
        group=WALK,
        metavar="absolute|relative|probability",
    )


@dataclass(frozen=True, kw_only=True)
class BudgetFlags:
    """What a recommendation, or a batch, may cost."""

    max_tokens: int | None = option(
        "--max-tokens",
        help="Spend at most this many tokens, prompts and completions together.",
        default=None,
        group=BUDGET,
        metavar="N",
        min=0,
    )
    max_calls: int | None = option(
        "--max-calls",
        help="Send at most this many requests, retries included; 0 sends none.",
        default=None,
        group=BUDGET,
        metavar="N",
        min=0,
    )
    deadline: float | None = option(
        "--deadline",
        help="Stop asking after this many seconds.",
        default=None,
        group=BUDGET,
        metavar="SECONDS",
        min=0,
    )
    max_cost: float | None = option(
        "--max-cost",
        help="Spend at most this much, in the currency of the model's price, which must be known.",
        default=None,
        group=BUDGET,
        metavar="AMOUNT",
        min=0,
    )


@dataclass(frozen=True, kw_only=True)
class WalkFlags:
    """How the tree is walked, and how the list is made."""

    limit: int = option(
        "-k", "--limit", help="Recommend this many items.", default=10, metavar="N", min=1
    )
    walk: Literal["auto", "best-first", "beam", "depth-first", "hybrid", "retrieve"] = option(
        "--walk",
        help="Choose the walk: best-first opens the best-scored branches; beam needs the fewest "
        "rounds of calls; depth-first follows the paper; hybrid asks only about the leaves with "
        "the nearest vectors; retrieve asks about no branch; auto chooses.",
        default="best-first",
        group=WALK,
        metavar="ORDER",
    )
    branches: int | None = option(
        "--branches",
        help="Open this many branches (with beam: per level). Default: the root, and 4 for each "
        "level below it.",
        default=None,
        group=WALK,
        metavar="N",
        min=1,
    )
    leaves: int | None = option(
        "--leaves",
        help="Collect items from this many leaves. Default: 30, or 12 with --whole-leaves.",
        default=None,
        group=WALK,
        metavar="N",
        min=1,
    )
    shown: int = option(
        "--show",
        help="Show the judge this many items of those leaves.",
        default=72,
        group=WALK,
        metavar="N",
        min=1,
    )
    candidates: int = option(
        "--candidates",
        help="Rank this many of the items shown.",
        default=30,
        group=WALK,
        metavar="N",
        min=1,
    )
    whole_leaves: bool = option(
        "--whole-leaves",
        help="Show the judge each leaf as a whole, not the nearest items of all leaves.",
        default=False,
        group=WALK,
    )
    path_score: PathScore = path_score_flag(None)
    interests: Literal["together", "apart"] = option(
        "--interests",
        help="Walk once for all interests of the person, or once for each.",
        default="together",
        group=WALK,
        metavar="together|apart",
    )
    profile_from: Literal["model", "titles"] = option(
        "--profile-from",
        help="Describe the person by a profile that the model writes, or by the last titles of the "
        "history, which cost no call.",
        default="model",
        group=WALK,
        metavar="model|titles",
    )
    variety: float = option(
        "--variety",
        help="Trade fit for variety: 0 takes the best fits, 1 the most different items.",
        default=0.2,
        group=WALK,
        metavar="0…1",
        min=0,
        max=1,
    )
    most_per_branch: int | None = option(
        "--most-per-branch",
        help="Recommend at most this many items from one branch below the root. Default: no limit.",
        default=None,
        group=WALK,
        metavar="N",
        min=1,
    )
    rerank: Literal["tree", "model", "none"] = option(
        "--rerank",
        help="Diversify the list by distances in the tree, by asking the judge, or not at all.",
        default="tree",
        group=WALK,
        metavar="tree|model|none",
    )
    seed: int = option(
        "--seed",
        help="Vary the order of the lists shown to the judge. The same seed sends the same "
        "requests.",
        default=0,
        group=WALK,
        metavar="N",
    )
    votes: str = option(
        "--votes",
        help="Ask a model about each branch this many times, in different orders; auto asks again "
        "only if the result was close.",
        default="1",
        group=WALK,
        metavar="N|auto",
    )
