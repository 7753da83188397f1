"""Plan a change, as the flags say: nothing is changed, and nothing is sent."""

from __future__ import annotations

from unillmrec.cli.changes.request import ChangeRequest
from unillmrec.cli.changes.run import (
    ChangeKind,
    apply_change,
    batch_of,
    change_items,
    change_progress,
    file_vectors,
    open_items,
)
from unillmrec.cli.changes.show import show_changes
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport, show_plan
from unillmrec.planning.tree_plans import plan_changes


def change_or_plan(kind: ChangeKind, request: ChangeRequest) -> None:
    """Change the items of a tree, or estimate what a model would have to do because of it."""
    if request.plan:
        show_plan(plan_change(kind, request), as_json=request.json)
    else:
        show_changes(change_items(kind, request), as_json=request.json)


def plan_change(kind: ChangeKind, request: ChangeRequest) -> PlanReport:
    """Estimate what embedding new items, and describing outdated nodes again, would cost."""
    settings, reader = settings_of(request), open_items(request)
    with change_progress() as progress:
        planned = plan_changes(
            request.file,
            lambda changer: apply_change(kind, request, reader, changer),
            settings,
            given=file_vectors(request),
            batch=batch_of(request),
            progress=progress,
        )
    report = planned.report
    return PlanReport(
        planned.plan,
        what=f"Describing {format_count(planned.nodes, 'node')} that would be out of date",
        model=settings.model,
        about={
            "tree": str(request.file),
            "inserted": report.inserted,
            "updated": report.updated,
            "deleted": report.deleted,
            "nodes": planned.nodes,
            "before": planned.before.as_dict(),
        },
    )
