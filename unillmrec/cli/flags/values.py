"""Turn flags into the values that the library takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from unillmrec.budget import Budget
from unillmrec.errors import SettingsError
from unillmrec.items import one_line
from unillmrec.judge.voting import MOST_VOTES, Votes
from unillmrec.session import ReplyFiles
from unillmrec.stages import Options

if TYPE_CHECKING:
    from unillmrec.cli.flags.groups import ReplyFlags
    from unillmrec.cli.flags.walk import BudgetFlags, WalkFlags


def options_of(flags: WalkFlags) -> Options:
    """Return the options of a recommendation."""
    return Options(
        limit=flags.limit,
        walk=flags.walk,
        branches=flags.branches,
        leaves=flags.leaves,
        shown=flags.shown,
        candidates=flags.candidates,
        whole_leaves=flags.whole_leaves,
        path_score=flags.path_score,
        interests=flags.interests,
        profile_from=flags.profile_from,
        variety=flags.variety,
        most_per_branch=flags.most_per_branch,
        reorder=flags.rerank,
        seed=flags.seed,
    )


def votes_of(flags: WalkFlags) -> Votes:
    """Return how often a question about branches is asked.

    Raises:
        SettingsError: --votes is neither auto nor a number in range.
    """
    text = flags.votes
    if text == "auto":
        return "auto"
    if text.isdecimal() and 1 <= int(text) <= MOST_VOTES:
        return int(text)
    raise SettingsError(
        f"--votes {one_line(text, 40)}: expected auto, or a number from 1 to {MOST_VOTES}."
    )


def budget_of(flags: BudgetFlags) -> Budget:
    """Return the budget; it may have no limit at all."""
    return Budget(
        tokens=flags.max_tokens,
        calls=flags.max_calls,
        seconds=flags.deadline,
        cost=flags.max_cost,
    )


def reply_files_of(flags: ReplyFlags) -> ReplyFiles:
    """Return the files that replies are stored in or taken from.

    Raises:
        typer.TyperException: the flags cannot be combined.
    """
    if flags.replay and (flags.record or flags.cache):
        raise typer.TyperException(
            "--replay answers from a recording only; leave out --record and --cache."
        )
    return ReplyFiles(flags.record, flags.replay, flags.cache)
