"""Plan a build: make the tree in a temporary folder, and send nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from unillmrec.building import build
from unillmrec.building.given_vectors import VectorFile, embedded_text
from unillmrec.cli.build.model_plans import describing_plan, embedding_plan
from unillmrec.cli.build.request import BuildRequest
from unillmrec.cli.build.run import build_options
from unillmrec.cli.flags.catalog import open_catalog
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.items import Item
from unillmrec.planning.planner import EmbeddingTextCounter, Planner


def plan_build(request: BuildRequest) -> PlanReport:
    """Estimate what embedding the items, and then describing the branches, would cost."""
    path, settings = request.path, settings_of(request)
    reader = open_catalog(request.catalog, request)
    given = VectorFile(request.vectors) if request.vectors else None
    model = None if given else settings.embed_model
    texts = EmbeddingTextCounter(Planner.of(settings, model=model).counter)

    def counted_items() -> Iterator[Item]:
        for item in reader:
            if model:
                texts.add([embedded_text(item)])
            yield item

    with TemporaryDirectory() as folder:
        scratch = Path(folder, path.name)
        report = build(counted_items(), scratch, build_options(request, given))
        nodes, plan = describing_plan(scratch, path, settings, "missing")
    if model:
        plan = embedding_plan(settings, path, model, texts).beside(plan)
    embedding = f"embedding {format_count(report.items, 'item')}, and " if model else ""
    return PlanReport(
        plan,
        what=f"{embedding}describing {format_count(nodes, 'node')}".capitalize(),
        model=settings.model,
        about={"path": str(path), "items": report.items, "nodes": nodes, "embedded_by": model},
    )
