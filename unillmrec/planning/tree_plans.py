"""Plan what a model would have to do for a build or a change of a tree; nothing is sent.

The build or the change is made for real, on a temporary file, so that the plan counts the texts
and the prompts that a real one would send.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from unillmrec.building import BuildOptions, BuildReport, build
from unillmrec.building.given_vectors import embedded_text
from unillmrec.building.progress import OnProgress, ignore_progress
from unillmrec.describing.run import DescribeOptions, Which, plan_describing
from unillmrec.items import Item
from unillmrec.judge.from_settings import build_writer
from unillmrec.planning.plan import Plan
from unillmrec.planning.planner import EmbeddingTextCounter, Planner
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.store.files import copy_tree
from unillmrec.tokens import TokenCounter
from unillmrec.updating.applier import ChangeReport
from unillmrec.updating.change_vectors import (
    ChangedVectors,
    EmbeddedChanges,
    embedding_model_for,
)
from unillmrec.updating.changer import TreeChanger
from unillmrec.usage import Stage

# Any vectors do for counting texts: those of so many items of the tree replace the new ones.
SUBSTITUTES = 1_000


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What embedding the items of a new tree, and describing its *nodes*, would take.

    *embedded_by* is the embedding model, or None if no text would be embedded.
    """

    plan: Plan
    report: BuildReport
    nodes: int
    embedded_by: str | None


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """What embedding new items, and describing the *nodes* that are stale then, would take.

    *before* is the plan for the nodes that are stale already.
    """

    plan: Plan
    report: ChangeReport
    nodes: int
    before: Plan


def plan_build(
    items: Iterable[Item], path: str | Path, options: BuildOptions, settings: Settings
) -> BuildPlan:
    """Plan the model calls of building a tree at *path*, and of describing it afterwards.

    Texts are embedded if the settings name an embedding model and *options* hold no vectors.

    Raises:
        TreeError: there are no items, or the options do not fit them.
    """
    path = Path(path)
    model = None if options.given else settings.embed_model
    texts = _text_counter(settings, model)
    with TemporaryDirectory() as folder:
        scratch = Path(folder, path.name)
        report = build(_counted(items, texts) if model else items, scratch, options)
        nodes, plan = _plan_describing(scratch, path, settings, "missing")
    if model:
        plan = _plan_embedding(path, settings, model, texts).combined_with(plan)
    return BuildPlan(plan, report, nodes, model)


def plan_changes(
    tree: str | Path,
    change: Callable[[TreeChanger], ChangeReport],
    settings: Settings,
    *,
    given: ChangedVectors | None = None,
    batch: int | None = None,
    progress: OnProgress = ignore_progress,
) -> ChangePlan:
    """Plan the model calls of a change, and of describing again what it makes stale.

    *change* gets a changer of a copy of *tree*, and calls its methods as it would those of the
    tree itself. *given* are the vectors of the new items, if they are there already.

    Raises:
        StoreError: *tree* cannot be read.
        TreeError: the change does not fit the tree, or its embedding model is another one.
    """
    path = Path(tree)
    with TemporaryDirectory() as folder:
        scratch = Path(folder, path.name)
        copy_tree(path, scratch)
        with ItemTree.open(scratch) as copy:
            model = None if given else embedding_model_for(copy, settings.embed_model)
            texts = _text_counter(settings, model)
            if model:
                given = EmbeddedChanges(model, _substitute_vectors(copy, texts))
        _, before = _plan_describing(scratch, path, settings, "stale")
        with TreeChanger(scratch, batch=batch, given=given, progress=progress) as changer:
            report = change(changer)
        nodes, plan = _plan_describing(scratch, path, settings, "stale")
    if model and texts.texts:
        plan = _plan_embedding(path, settings, model, texts).combined_with(plan)
    return ChangePlan(plan, report, nodes, before)


def _text_counter(settings: Settings, model: str | None) -> EmbeddingTextCounter:
    return EmbeddingTextCounter(TokenCounter.for_model(model or settings.model))


def _counted(items: Iterable[Item], texts: EmbeddingTextCounter) -> Iterator[Item]:
    for item in items:
        texts.add([embedded_text(item)])
        yield item


def _substitute_vectors(
    tree: ItemTree, texts: EmbeddingTextCounter
) -> Callable[[Sequence[str]], list[list[float]]]:
    """Return a function that counts texts and returns vectors of items of *tree* for them."""
    numbers = range(0, len(tree), max(1, len(tree) // SUBSTITUTES))
    rows = [each.weights.tolist() for each in tree.item_vectors(list(numbers))]

    def embed(new_texts: Sequence[str]) -> list[list[float]]:
        first = texts.add(new_texts)
        return [rows[(first + place) % len(rows)] for place in range(len(new_texts))]

    return embed


def _plan_describing(
    scratch: Path, path: Path, settings: Settings, which: Which
) -> tuple[int, Plan]:
    """Return how many nodes of *scratch* need a description, and the plan for describing them.

    The plan is calibrated by the usage log of the tree at *path*.
    """
    with ItemTree.open(scratch) as tree:
        work = plan_describing(tree, build_writer(settings), DescribeOptions(which))
    planner = Planner.from_settings(settings, path)
    return work.nodes, planner.plan({Stage.DESCRIBE: work.usage}, at_once=settings.concurrency)


def _plan_embedding(
    path: Path, settings: Settings, model: str, texts: EmbeddingTextCounter
) -> Plan:
    return Planner.from_settings(settings, path, model).plan({Stage.EMBED: texts.usage})
