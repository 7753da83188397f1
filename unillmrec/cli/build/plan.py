"""Plan a build, as the flags say: nothing is written, and nothing is sent."""

from __future__ import annotations

from unillmrec.building.given_vectors import VectorFile
from unillmrec.cli.build.request import BuildRequest
from unillmrec.cli.build.run import build_options
from unillmrec.cli.flags.catalog import open_catalog
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.planning import tree_plans


def plan_build(request: BuildRequest) -> PlanReport:
    """Estimate what embedding the items, and then describing the branches, would cost."""
    path, settings = request.path, settings_of(request)
    reader = open_catalog(request.catalog, request)
    given = VectorFile(request.vectors) if request.vectors else None
    planned = tree_plans.plan_build(reader, path, build_options(request, given), settings)
    model, items = planned.embedded_by, planned.report.items
    embedding = f"embedding {format_count(items, 'item')}, and " if model else ""
    return PlanReport(
        planned.plan,
        what=f"{embedding}describing {format_count(planned.nodes, 'node')}".capitalize(),
        model=settings.model,
        about={"path": str(path), "items": items, "nodes": planned.nodes, "embedded_by": model},
    )
