from pathlib import Path

import numpy as np
import pytest

from tests import trees
from unillmrec import BuildOptions, TreeChanger, build
from unillmrec.building.given_vectors import EmbeddedVectors
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.planning.tree_plans import plan_build, plan_changes
from unillmrec.settings import Settings
from unillmrec.store import EditableTree
from unillmrec.updating.change_vectors import EmbeddedChanges
from unillmrec.usage import Stage

OPTIONS = BuildOptions(bounds=trees.NARROW, workers=1)


def new_items(count=40):
    return [Item(f"new-{each.id}", each.title, each.text) for each in trees.items(count)]


def embed(texts):
    """Return a vector for each text: how often each of a few letters occurs in it."""
    return [[text.count(letter) + 0.1 for letter in "aeiou"] for text in texts]


@pytest.fixture
def tree(tmp_path_factory):
    """A tree of three hundred items, in which every node has a summary."""
    path = Path("shop.tree")
    build(trees.items(), path, OPTIONS)
    with EditableTree.open(path) as opened, opened.transaction():
        opened.facts["described_by"] = "somebody"
        for node, _ in opened.subtree(1):
            text = opened.node(node).description.to_json()
            text = text.replace('"summary":""', '"summary":"a line"')
            opened.set_descriptions([(text, 0, node)])
    return path


def test_a_planned_build_writes_nothing():
    """The plan counts the nodes of the tree that a build makes, and leaves no file."""
    before = sorted(Path().iterdir())
    planned = plan_build(trees.items(), "shop.tree", OPTIONS, Settings(model="m"))

    assert before == sorted(Path().iterdir())
    assert build(trees.items(), "shop.tree", OPTIONS).leaves == planned.report.leaves
    assert planned.nodes == planned.report.leaves + planned.report.branches - 1
    assert (None, [Stage.DESCRIBE]) == (planned.embedded_by, list(planned.plan.lines))


def test_a_planned_build_counts_the_texts_to_embed():
    """With an embedding model in the settings, the plan has a line for it."""
    planned = plan_build(
        iter(trees.items(50)), "shop.tree", OPTIONS, Settings(model="m", embed_model="e")
    )

    assert ("e", 50) == (planned.embedded_by, planned.report.items)
    assert planned.plan.lines[Stage.EMBED].calls.likely == 1


def test_planned_changes_leave_the_tree_alone(tree):
    """The plan covers the summaries that the change makes stale; the file stays as it was."""
    before = tree.read_bytes()
    planned = plan_changes(tree, lambda changer: changer.insert(new_items()), Settings(model="m"))

    assert before == tree.read_bytes()
    assert (40, {}) == (planned.report.inserted, dict(planned.before.lines))
    with TreeChanger(tree) as changer:
        changer.insert(new_items())
        stale = [n for n, _ in changer.tree.subtree(1) if changer.tree.node(n).is_stale()]
        missing = [
            n for n, _ in changer.tree.subtree(1) if not changer.tree.node(n).description.summary
        ]
    assert 0 < len(set(stale) - {1}) == planned.nodes
    assert planned.plan.lines[Stage.DESCRIBE].calls.likely >= 1
    assert set(missing).isdisjoint(stale)


def test_planned_changes_may_be_several(tree):
    """The callable may use all methods of the changer; the plan sees what they add up to."""

    def change(changer):
        return changer.insert(new_items(5)) + changer.delete(["item-000", "item-001"])

    planned = plan_changes(tree, change, Settings(model="m"))

    assert (5, 2) == (planned.report.inserted, planned.report.deleted)


def test_planned_changes_count_the_texts_to_embed():
    """New items of an embedded tree are counted without an endpoint; other models are refused."""
    options = BuildOptions(workers=1, given=EmbeddedVectors("e", embed))
    build(trees.items(60), "given.tree", options)
    sent = []

    def counting(texts):
        sent.extend(texts)
        return np.array(embed(texts), np.float32).tolist()

    def insert(changer):
        return changer.insert(new_items(7))

    planned = plan_changes("given.tree", insert, Settings(embed_model="e"))
    with TreeChanger("given.tree", given=EmbeddedChanges("e", counting)) as changer:
        insert(changer)

    assert (7, 1) == (len(sent), planned.plan.lines[Stage.EMBED].calls.likely)
    with pytest.raises(TreeError, match="holds vectors of e, not of other"):
        plan_changes("given.tree", insert, Settings(embed_model="other"))


def test_a_plan_for_a_missing_tree_is_an_error():
    """The error is that of opening the file."""
    with pytest.raises(StoreError, match="does not exist"):
        plan_changes("none.tree", lambda changer: changer.delete(["a"]), Settings())
