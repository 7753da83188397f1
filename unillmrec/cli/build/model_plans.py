"""Plan what a model would have to do for a tree: describe its nodes, embed its items."""

from __future__ import annotations

from pathlib import Path

from unillmrec.describing.run import DescribeOptions, Which, plan_describing
from unillmrec.judge.from_settings import build_writer
from unillmrec.planning.planner import EmbeddingTextCounter, Plan, Planner
from unillmrec.settings import Settings
from unillmrec.store import ItemTree
from unillmrec.usage import Bill, Stage


def describing_plan(
    scratch: Path, path: Path, settings: Settings, which: Which
) -> tuple[int, Plan]:
    """Return how many nodes of *scratch*, a copy of the tree at *path*, need a description.

    The plan for describing them is calibrated by the usage log of *path*.
    """
    with ItemTree.open(scratch) as tree:
        work = plan_describing(tree, build_writer(settings), DescribeOptions(which))
    stages = {Stage.DESCRIBE: work.usage}
    plan = Planner.of(settings, path).plan(stages, at_once=settings.concurrency)
    return work.nodes, plan


def embedding_plan(settings: Settings, tree: Path, model: str, texts: EmbeddingTextCounter) -> Plan:
    """Return the plan for embedding the texts that were counted."""
    bill = Bill()
    bill.add(Stage.EMBED, texts.usage)
    return Planner.of(settings, tree, model).plan(bill.by_stage())
