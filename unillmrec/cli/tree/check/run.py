"""Check a tree as the flags of `unillmrec tree check` say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from unillmrec.checking.description_check import DescriptionCheck, check_descriptions
from unillmrec.checking.tree_check import TreeCheck, check
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.confirm import confirm
from unillmrec.cli.shared.output import format_count, note
from unillmrec.cli.shared.session import load_model_file
from unillmrec.cli.tree.check.request import CheckRequest
from unillmrec.judge.description_judge import DescriptionJudge
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.session import Session
from unillmrec.settings import Settings
from unillmrec.store import ItemTree


@dataclass(frozen=True, slots=True)
class CheckOutcome:
    """The result of a check; *routing* if descriptions were measured."""

    checked: TreeCheck
    tree: Path
    routing: DescriptionCheck | None = None


def check_tree(request: CheckRequest) -> CheckOutcome:
    """Check a tree; if it is sound and `--route` was given, measure its descriptions."""
    settings = settings_of(request)
    with ItemTree.open(request.tree) as tree:
        checked = check(tree, build_writer(settings), request.share)
        if request.route is None or checked.breaches:
            return CheckOutcome(checked, request.tree)
        if settings.judge == "embedded":
            judge = DescriptionJudge(tree)
            routing = check_descriptions(tree, judge, request.route, request.seed)
        else:
            routing = _ask_model(tree, settings, request.route, request)
        return CheckOutcome(checked, request.tree, routing)


def _ask_model(
    tree: ItemTree, settings: Settings, count: int, request: CheckRequest
) -> DescriptionCheck:
    settings.require_endpoint()
    estimating = build_estimating_judge(tree, settings)
    usage = check_descriptions(tree, estimating, count, request.seed).usage
    items, calls = format_count(count, "hidden item"), format_count(usage.calls, "call")
    cost = (
        f"Looking for {items} takes {calls} to "
        f"{settings.model}, about {usage.estimated_prompt:,} prompt and "
        f"{usage.estimated_completion:,} completion tokens."
    )
    load_model_file(settings)
    with Session(tree, settings, command="tree check", notify=note) as session:
        judge = session.judge
        confirm(cost, yes=request.yes)
        return check_descriptions(tree, judge, count, request.seed)
