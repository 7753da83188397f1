"""Plan a change: apply it to a copy of the tree, and send nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from unillmrec.cli.build.model_plans import describing_plan, embedding_plan
from unillmrec.cli.changes.request import ChangeRequest
from unillmrec.cli.changes.run import ChangeKind, change_items
from unillmrec.cli.changes.show import show_changes
from unillmrec.cli.flags.settings import settings_of
from unillmrec.cli.shared.output import format_count
from unillmrec.cli.shared.plan_output import PlanReport, show_plan
from unillmrec.planning.planner import EmbeddingTextCounter, Planner
from unillmrec.store import ItemTree
from unillmrec.updating.change_vectors import ChangedVectors, EmbeddedChanges

# Any vectors do for a plan: those of so many items of the tree replace the ones to be embedded.
SUBSTITUTES = 1_000


def change_or_plan(kind: ChangeKind, request: ChangeRequest) -> None:
    """Change the items of a tree, or estimate what a model would have to do because of it."""
    if request.plan:
        show_plan(plan_change(kind, request), as_json=request.json)
    else:
        show_changes(change_items(kind, request), as_json=request.json)


def plan_change(kind: ChangeKind, request: ChangeRequest) -> PlanReport:
    """Estimate what embedding new items, and describing outdated nodes again, would cost."""
    settings, tree = settings_of(request), request.file
    model = settings.embed_model
    texts = EmbeddingTextCounter(Planner.of(settings, model=model).counter)

    @contextmanager
    def counted_texts(path: Path) -> Iterator[ChangedVectors]:
        with ItemTree.open(path) as opened:
            yield EmbeddedChanges(model or "", _substitute_vectors(opened, texts))

    with TemporaryDirectory() as folder:
        scratch = Path(folder, tree.name)
        _copy(tree, scratch)
        _, before = describing_plan(scratch, tree, settings, "stale")
        outcome = change_items(kind, request, tree=scratch, vector_source=counted_texts)
        nodes, plan = describing_plan(scratch, tree, settings, "stale")
    if texts.usage.calls:
        plan = embedding_plan(settings, tree, model or "", texts).beside(plan)
    report = outcome.report
    return PlanReport(
        plan,
        what=f"Describing {format_count(nodes, 'node')} that would be out of date",
        model=settings.model,
        about={
            "tree": str(tree),
            "inserted": report.inserted,
            "updated": report.updated,
            "deleted": report.deleted,
            "nodes": nodes,
            "before": before.as_dict(),
        },
    )


def _copy(tree: Path, scratch: Path) -> None:
    """Copy a tree with what is still in its write-ahead log."""
    with ItemTree.open(tree):
        pass  # raises a readable error if it is no tree
    source = sqlite3.connect(f"{tree.resolve().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(scratch)) as copy:
        source.backup(copy)


def _substitute_vectors(
    tree: ItemTree, texts: EmbeddingTextCounter
) -> Callable[[Sequence[str]], list[list[float]]]:
    """Return a function that counts texts, and returns vectors of items of the tree for them."""
    numbers = range(0, len(tree), max(1, len(tree) // SUBSTITUTES))
    rows = [each.weights.tolist() for each in tree.item_vectors(list(numbers))]

    def embed(new_texts: Iterable[str]) -> list[list[float]]:
        counted_now = list(new_texts)
        first = texts.add(counted_now)
        return [rows[(first + place) % len(rows)] for place in range(len(counted_now))]

    return embed
