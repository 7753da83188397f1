"""Checking and routing as the command line asks for it: which judge, at what cost, the log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from unillmrec.checking.description_check import DescriptionCheck, check_descriptions
from unillmrec.checking.tree_check import Checked, check
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.session import asking
from unillmrec.judge.description_judge import DescriptionJudge
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.settings import Settings
from unillmrec.store import ItemTree


@dataclass(frozen=True, slots=True)
class CheckedTree:
    """What was found in a tree; *routing* if items were hidden."""

    checked: Checked
    tree: Path
    routing: DescriptionCheck | None = None


def check_tree(
    path: Path,
    flags: Mapping[str, object],
    share: float,
    hide: tuple[int | None, int],
    *,
    yes: bool,
) -> CheckedTree:
    """Check a tree; where it is sound, and items are to be hidden, route them."""
    settings = Settings.resolve(flags)
    count, seed = hide
    with ItemTree.open(path) as tree:
        checked = check(tree, build_writer(settings), share)
        if count is None or checked.breaches:
            return CheckedTree(checked, path)
        if settings.judge == "embedded":
            return CheckedTree(
                checked, path, check_descriptions(tree, DescriptionJudge(tree), count, seed)
            )
        return CheckedTree(checked, path, _ask_model(tree, settings, count, seed, yes=yes))


def _ask_model(
    tree: ItemTree, settings: Settings, count: int, seed: int, *, yes: bool
) -> DescriptionCheck:
    settings.require_endpoint()
    usage = check_descriptions(tree, build_estimating_judge(tree, settings), count, seed).usage
    cost = (
        f"Hiding {format_count(count, 'item')} takes {format_count(usage.calls, 'call')} to "
        f"{settings.model}, about {usage.estimated_prompt:,} prompt and "
        f"{usage.estimated_completion:,} completion tokens."
    )
    with asking(tree, settings, "tree check") as asked:
        confirm(cost, yes=yes)
        return check_descriptions(tree, asked.judge, count, seed)
