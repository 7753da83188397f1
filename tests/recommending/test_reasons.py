import pytest

from tests import trees
from unillmrec.building import BuildOptions, build
from unillmrec.items import Item
from unillmrec.judge import Interest, Profile
from unillmrec.recommending.reasons import is_distinctive, reasons_for, shared_words
from unillmrec.store import ItemTree


def placed(tree, *numbers):
    reasons = tree.items_by_number(numbers)
    return [reasons[number] for number in numbers]


def asking_for(tree, text):
    return Profile((Interest(text, 1.0),), tree.vector_of_text(text))


def test_an_item_is_close_to_one_of_the_history(tree):
    """The reason names the nearest item of the history and the words they share."""
    whales = [each for each in trees.items() if "whale" in each.title][:3]
    roses = [each for each in trees.items() if "rose" in each.title][:1]
    numbers = [int(each.id.removeprefix("item-")) for each in roses + whales]
    history, (wanted,) = placed(tree, *numbers[:-1]), placed(tree, numbers[-1])

    (reason,) = reasons_for(tree, Profile(()), history, [wanted])

    assert reason.text.startswith(f"close to {whales[0].title}") or reason.text.startswith(
        f"close to {whales[1].title}"
    )
    assert "whale" in reason.text.split("(")[1]


def test_an_item_is_about_what_was_asked_for(tree):
    """Without a history, the reason names the words shared with the sentence."""
    whales = [n for n, each in enumerate(trees.items()) if "whale" in each.title]

    (reason,) = reasons_for(tree, asking_for(tree, "the whale"), [], placed(tree, whales[0]))

    assert "about whale" == reason.text


def test_an_item_that_shares_nothing_is_in_its_branch(tree):
    """Without shared words, the reason names the branch."""
    roses = [n for n, each in enumerate(trees.items()) if "garden" in each.text]

    (reason,) = reasons_for(tree, asking_for(tree, "whale"), [], placed(tree, roses[0]))

    assert f"in {reason.branch}" == reason.text
    assert "garden" in reason.branch


def test_the_branch_is_the_whole_path_from_the_root(tree):
    """A breadcrumb has a label for each level."""
    (item,) = placed(tree, 0)

    (reason,) = reasons_for(tree, Profile(()), [], [item])

    labels = [node.description.label for node in tree.ancestors(item.leaf)]
    assert " > ".join(labels) == reason.branch
    assert len(labels) > 1


def test_only_the_last_items_give_reasons(tree):
    """Old items of the history are not named."""
    sea = placed(tree, *range(0, 72, 6))

    (reason,) = reasons_for(tree, Profile(()), sea, placed(tree, 0))

    assert sea[0].item.title not in reason.text
    assert reason.text.startswith("close to ")


def test_a_tree_of_one_leaf_has_no_branch_to_name(tmp_path):
    """If the root holds the items, there is still a reason."""
    build(trees.items(5), tmp_path / "few.tree", BuildOptions(workers=1))

    with ItemTree.open(tmp_path / "few.tree") as few:
        (reason,) = reasons_for(few, asking_for(few, "zzyzx"), [], placed(few, 0))

    assert ("in the catalog", "") == (reason.text, reason.branch)


def test_given_vectors_have_no_words_to_share(shared):
    """With embeddings, the nearest item is named without any words."""
    tree = trees.given_tree(shared)

    (reason,) = reasons_for(tree, Profile(()), placed(tree, 6), placed(tree, 12))

    assert f"close to {placed(tree, 6)[0].item.title}" == reason.text
    six, twelve = tree.item_vectors([6, 12])
    assert [[]] == shared_words(tree, [(six, twelve)])


def test_titles_are_cut_and_flattened(tmp_path):
    """A title in a reason is one short line."""
    items = [Item(str(n), f"1.\nWhale \x1b[31m{'very ' * 40}long", "whale") for n in range(3)]
    build(items, tmp_path / "long.tree", BuildOptions(workers=1))

    with ItemTree.open(tmp_path / "long.tree") as tree:
        (reason,) = reasons_for(tree, Profile(()), placed(tree, 0), placed(tree, 1))

    assert reason.text.startswith("close to 1 Whale [31mvery very")
    assert reason.text.isprintable()
    assert len(reason.text) < 120


@pytest.mark.parametrize(
    ("word", "used", "expected"),
    [
        ("whale", 60, True),
        ("whale", 61, False),
        ("1851", 2, False),
        ("x", 2, False),
        ("élan", 2, True),
    ],
)
def test_a_distinctive_word_is_in_few_items(word, used, expected):
    """Numbers, letters and common words do not explain a similarity."""
    assert expected == is_distinctive(word, used, 300)
