import shutil
import sqlite3

import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.checking.tree_check import check
from unillmrec.items import Item
from unillmrec.judge import CONTRACTS, PromptWriter, SimilarityJudge
from unillmrec.judge.questions import Interest, Profile, Question
from unillmrec.prompts import PromptSet
from unillmrec.stages import start_run
from unillmrec.store import ROOT, EditableTree, ItemTree
from unillmrec.tokens import TokenCounter
from unillmrec.tree.growing import Bounds
from unillmrec.usage import Stage


def prompt_writer(ceiling=4_000):
    return PromptWriter(PromptSet.load(CONTRACTS), TokenCounter.for_model("gpt-4o"), ceiling)


@pytest.fixture
def path(tmp_path_factory, tmp_path):
    """A tree of three hundred items that may be damaged."""
    folder = tmp_path_factory.getbasetemp() / "trees"
    folder.mkdir(exist_ok=True)
    trees.tree(folder).close()
    return shutil.copy(folder / "words.tree", tmp_path / "shop.tree")


def checked(path, ceiling=4_000, **options):
    with ItemTree.open(path) as tree:
        return check(tree, prompt_writer(ceiling), **options)


def damage(path, statement, *values):
    db = sqlite3.connect(path)
    with db:
        db.execute(statement, values)
    db.close()


def test_a_fresh_tree_is_sound(path):
    """A tree that was just built has no breaches and no summaries."""
    found = checked(path)

    assert ([], 300, 0, 0) == (found.breaches, found.items, found.described, found.stale)
    assert 0 < found.longest < found.ceiling


def test_the_longest_prompt_is_counted(path):
    """The reported length is that of the real prompt, with room for the person, to a few tokens."""
    found = checked(path)

    with ItemTree.open(path) as tree:
        choices = start_run(tree, SimilarityJudge(tree)).branch_choices(
            tree.children(found.longest_node)
        )
        profile = Profile((Interest("", 1.0),))
        question = Question("choose", Stage.RECALL, profile, choices, len(choices))
        writer = prompt_writer()
        prompt, _ = writer.estimate(writer.request(question))
    assert abs(found.longest - 400 - prompt) <= len(choices) + 2


def test_a_prompt_over_the_ceiling_is_a_breach(path):
    """A breach names the node, the length of its prompt and the ceiling."""
    found = checked(path, ceiling=700)

    assert found.longest > 700
    wrong = [breach for breach in found.breaches if f"node {found.longest_node} " in breach]
    assert [
        f"the prompt about the branches of node {found.longest_node} needs about "
        f"{found.longest:,} tokens; 700 are allowed"
    ] == wrong


def test_the_items_of_a_leaf_must_fit_as_well():
    """A leaf with too many long items is a breach; one with short items is not."""
    bounds = Bounds(leaf_target=30, leaf_capacity=50)
    for words in (2, 40):
        items = [Item(str(n), f"{n} " + "Ünüsual títle " * words) for n in range(50)]
        build(items, f"{words}.tree", BuildOptions(bounds=bounds, workers=1))

    assert [] == checked("2.tree", ceiling=2_500).breaches
    (breach,) = checked("40.tree", ceiling=2_500).breaches
    assert breach.startswith(f"the prompt about the items of node {ROOT} needs about ")


@pytest.mark.parametrize(
    ("statement", "breach"),
    [
        ("UPDATE node SET size = size + 1 WHERE id = 2", "node 2 holds"),
        ("UPDATE node SET parent = 99 WHERE id = 3", "node 3 does not descend from the root"),
        ("UPDATE node SET stale = 4 WHERE id = 2", "node 2 counts 4 items newer"),
        ("DELETE FROM item_vector WHERE item = 7", "1 items without a vector: 7"),
        ("UPDATE item SET leaf = 1 WHERE number = 7", "1 items are in 1, which is not a leaf"),
    ],
)
def test_each_damage_is_reported(path, statement, breach):
    """Every broken invariant gives a breach, whatever else is checked."""
    damage(path, statement)

    assert any(each.startswith(breach) for each in checked(path).breaches)


def test_a_summary_out_of_date_is_a_breach(path):
    """The breach counts stale summaries and names the command; a larger share allows them."""
    with EditableTree.open(path) as tree, tree.transaction():
        first, second, *_ = tree.children(ROOT)
        for node, stale in ((first, first.size // 5), (second, second.size // 2)):
            text = node.description.to_json().replace('"summary":""', '"summary":"a line"')
            tree.set_descriptions([(text, stale, node.id)])

    found = checked(path)

    assert (2, 1) == (found.described, found.stale)
    (breach,) = found.breaches
    assert breach.startswith("1 summary is out of date: more than 20% of the items")
    assert "`unillmrec describe --stale`" in breach
    assert [] == checked(path, share=0.6).breaches
