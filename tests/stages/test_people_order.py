import random
from itertools import pairwise

from tests import trees
from unillmrec.stages import Person, order_by_path
from unillmrec.store import ROOT


def branch_of(tree, item_id):
    """The child of the root that an item is below."""
    leaf = tree.locate([item_id])[item_id][1]
    return next(node.id for node in tree.ancestors(leaf))


def people(count=60):
    chance = random.Random(3)
    return [Person((f"item-{chance.randrange(300):03}",)) for _ in range(count)]


def test_people_of_the_same_branch_stand_together(tree):
    """Everybody is there once, and each branch of the root is come to once."""
    somebody = people()

    order = order_by_path(tree, somebody)

    assert sorted(order) == list(range(60))
    branches = [branch_of(tree, somebody[place].history[0]) for place in order]
    changes = sum(one != other for one, other in pairwise(branches))
    assert changes == len(set(branches)) - 1
    assert len(tree.children(ROOT)) >= len(set(branches)) > 2


def test_equal_ways_keep_their_order(tree):
    """A batch of one kind of people stays as it came."""
    assert [0, 1, 2] == order_by_path(tree, [Person(("item-007",))] * 3)


def test_who_cannot_be_placed_comes_last(tree):
    """An unknown id is no reason to fail: whoever asks will say so in its turn."""
    lost = Person(("nowhere",))

    assert [1, 0, 2] == order_by_path(tree, [lost, Person(("item-007", "nowhere")), lost])


def test_words_place_as_well_as_a_history(tree):
    """Who says what they like is put where it is."""
    sea, crime = Person(like="a whale in a storm"), Person(like="a detective and an alibi")

    order = order_by_path(tree, [sea, crime, sea, crime])

    assert order in ([0, 2, 1, 3], [1, 3, 0, 2])


def test_nobody_needs_no_order(tree, shared):
    """Vectors that were given order people like words do."""
    assert [] == order_by_path(tree, [])
    assert [0] == order_by_path(trees.given_tree(shared), [Person(("item-007",))])
