"""Plans of a build and of a change: made on a tree that is thrown away, and sent nowhere."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from unillmrec.building import build
from unillmrec.building.given_vectors import VectorFile, embedded_text
from unillmrec.catalog import CatalogReader
from unillmrec.cli.build import run as building
from unillmrec.cli.changes import run as changing
from unillmrec.cli.changes.show import show_changed
from unillmrec.cli.shared.output import counted
from unillmrec.cli.shared.plan_output import Told, show_plan
from unillmrec.describing.run import DescribeOptions, Which, plan_describing
from unillmrec.items import Item
from unillmrec.judge.from_settings import build_writer
from unillmrec.planning.planner import EmbeddingTextCounter, Plan, Planner
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.updating.change_vectors import ChangedVectors, EmbeddedChanges
from unillmrec.usage import Bill, Stage

# A change is not placed by what its vectors will be, so those of other items stand in.
STAND_INS = 1_000


def plan_build(
    reader: CatalogReader,
    path: Path,
    wishes: building.Wishes,
    flags: tuple[str | None, str | None, str | None],
) -> Told:
    """Build a tree that is thrown away; plan its embeddings, and its description by a model."""
    embed, base_url, usage_log = flags
    settings = Settings.resolve(
        {"embed_model": embed, "base_url": base_url, "usage_log": usage_log}
    )
    given = VectorFile(wishes.vectors) if wishes.vectors else None
    model = None if given else settings.embed_model
    texts = EmbeddingTextCounter(Planner.of(settings, model=model).counter)

    def passed() -> Iterator[Item]:
        for item in reader:
            if model:
                texts.add([embedded_text(item)])
            yield item

    with TemporaryDirectory() as folder:
        scratch = Path(folder, path.name)
        report = build(passed(), scratch, wishes.options(given))
        nodes, plan = _describing(scratch, path, settings, "missing")
    if model:
        plan = _embedding(settings, path, model, texts).beside(plan)
    what = f"embedding {counted(report.items, 'item')}, and " if model else ""
    return Told(
        plan,
        what=f"{what}describing {counted(nodes, 'node')}".capitalize(),
        model=settings.model,
        about={"path": str(path), "items": report.items, "nodes": nodes, "embedded_by": model},
    )


def change_or_plan(
    kind: changing.Kind,
    catalog: changing.Catalog,
    wishes: changing.Wishes,
    *,
    plan: bool,
    as_json: bool,
) -> None:
    """Change the items of a tree, or say what a model would have to do because of it."""
    if plan:
        show_plan(plan_change(kind, catalog, wishes), as_json=as_json)
    else:
        show_changed(changing.change_items(kind, catalog, wishes), as_json=as_json)


def plan_change(kind: changing.Kind, catalog: changing.Catalog, wishes: changing.Wishes) -> Told:
    """Change a copy; plan the embeddings it took, and what would have to be described anew."""
    settings = Settings.resolve(wishes.flags or {})
    model = settings.embed_model
    texts = EmbeddingTextCounter(Planner.of(settings, model=model).counter)

    @contextmanager
    def stood_in(tree: Path) -> Iterator[ChangedVectors]:
        with ItemTree.open(tree) as opened:
            yield EmbeddedChanges(model or "", _stand_ins(opened, texts))

    with TemporaryDirectory() as folder:
        scratch = Path(folder, wishes.tree.name)
        _copy(wishes.tree, scratch)
        _, before = _describing(scratch, wishes.tree, settings, "stale")
        changed = changing.change_items(kind, catalog, wishes.elsewhere(scratch), stood_in)
        nodes, plan = _describing(scratch, wishes.tree, settings, "stale")
    if texts.usage.calls:
        plan = _embedding(settings, wishes.tree, model or "", texts).beside(plan)
    report = changed.report
    return Told(
        plan,
        what=f"Describing {counted(nodes, 'node')} that would be out of date",
        model=settings.model,
        about={
            "tree": str(wishes.tree),
            "inserted": report.inserted,
            "updated": report.updated,
            "deleted": report.deleted,
            "nodes": nodes,
            "before": before.as_dict(),
        },
    )


def _describing(scratch: Path, path: Path, settings: Settings, which: Which) -> tuple[int, Plan]:
    """Plan to describe nodes of a tree that stands for the one at *path*."""
    with ItemTree.open(scratch) as tree:
        work = plan_describing(tree, build_writer(settings), DescribeOptions(which))
    planner = Planner.of(settings, path)
    asked = {Stage.DESCRIBE: work.usage}
    return work.nodes, planner.plan(asked, at_once=settings.concurrency)


def _embedding(settings: Settings, tree: Path, model: str, texts: EmbeddingTextCounter) -> Plan:
    bill = Bill()
    bill.add(Stage.EMBED, texts.usage)
    return Planner.of(settings, tree, model).plan(bill.by_stage())


def _copy(tree: Path, scratch: Path) -> None:
    """Copy a tree as it is now, what is still in its journal included."""
    with ItemTree.open(tree):
        pass  # what is no tree is told in words
    source = sqlite3.connect(f"{tree.resolve().as_uri()}?mode=ro", uri=True)
    with closing(source), closing(sqlite3.connect(scratch)) as copy:
        source.backup(copy)


def _stand_ins(
    tree: ItemTree, texts: EmbeddingTextCounter
) -> Callable[[Sequence[str]], list[list[float]]]:
    """Return what counts texts, and gives the vectors of items of the tree in their place."""
    numbers = range(0, len(tree), max(1, len(tree) // STAND_INS))
    rows = [each.weights.tolist() for each in tree.item_vectors(list(numbers))]

    def embed(asked: Iterable[str]) -> list[list[float]]:
        wanted = list(asked)
        first = texts.add(wanted)
        return [rows[(first + place) % len(rows)] for place in range(len(wanted))]

    return embed
