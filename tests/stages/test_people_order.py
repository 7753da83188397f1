import random
from itertools import pairwise

from tests import trees
from unillmrec.stages import Person, order_by_path
from unillmrec.store import ROOT


def branch_of(tree, item_id):
    """Return the child of the root above an item."""
    leaf = tree.locate([item_id])[item_id][1]
    return next(node.id for node in tree.ancestors(leaf))


def people(count=60):
    chance = random.Random(3)
    return [Person((f"item-{chance.randrange(300):03}",)) for _ in range(count)]


def test_people_of_the_same_branch_are_neighbours(tree):
    """Everybody is there once, and each branch is a single block."""
    somebody = people()

    order = order_by_path(tree, somebody)

    assert sorted(order) == list(range(60))
    branches = [branch_of(tree, somebody[place].history[0]) for place in order]
    changes = sum(one != other for one, other in pairwise(branches))
    assert changes == len(set(branches)) - 1
    assert len(tree.children(ROOT)) >= len(set(branches)) > 2


def test_equal_paths_keep_their_order(tree):
    """People with the same path stay in the given order."""
    assert [0, 1, 2] == order_by_path(tree, [Person(("item-007",))] * 3)


def test_people_without_a_vector_come_last(tree):
    """An unknown id is not an error here; the recommendation reports it."""
    lost = Person(("nowhere",))

    assert [1, 0, 2] == order_by_path(tree, [lost, Person(("item-007", "nowhere")), lost])


def test_words_order_people_as_well_as_a_history(tree):
    """A person with a wish is placed near it."""
    sea, crime = Person(like="a whale in a storm"), Person(like="a detective and an alibi")

    order = order_by_path(tree, [sea, crime, sea, crime])

    assert order in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_no_people_have_an_empty_order(tree, shared):
    """Given vectors order people like terms do."""
    assert [] == order_by_path(tree, [])
    assert [0] == order_by_path(trees.given_tree(shared), [Person(("item-007",))])
