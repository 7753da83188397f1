from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import trees
from unillmrec.store import ROOT
from unillmrec.store.columns.eligibility import Eligibility
from unillmrec.store.columns.selection import Selection

# The tree is only read.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A tree of three hundred items in several levels."""
    with trees.tree(tmp_path_factory.mktemp("eligibility")) as opened:
        yield opened


@pytest.fixture(scope="module")
def placed(tree):
    return tree.items_by_number(range(len(tree)))


@pytest.fixture(scope="module")
def nodes(tree):
    return [tree.node(node_id) for (node_id,) in tree.rows("SELECT id FROM node")]


def counts_by_hand(tree, placed, numbers):
    counts = Counter()
    for number in numbers:
        counts.update([ROOT, *(node.id for node in tree.ancestors(placed[number].leaf))])
    return counts


YEARS = st.integers(1795, 1955)


@SHARED
@given(
    low=YEARS,
    high=YEARS,
    filtered=st.booleans(),
    excluded=st.lists(st.lists(st.integers(0, 299), max_size=40), max_size=3),
)
def test_counts_eligible_items_below_every_node(tree, placed, nodes, low, high, filtered, excluded):
    """Counts are right with and without a predicate, however often items are excluded."""
    selection = Selection.of(tree, f"{low} <= year < {high}") if filtered else None
    eligibility = Eligibility(tree, selection)
    for numbers in excluded:
        eligibility.exclude((number, placed[number].leaf) for number in numbers)

    removed = {number for numbers in excluded for number in numbers}
    expected = {
        number
        for number, each in placed.items()
        if number not in removed and (not filtered or low <= each.item.attributes["year"] < high)
    }
    assert expected == {number for number in placed if eligibility.allows(number)}
    assert removed == eligibility.excluded
    by_hand = counts_by_hand(tree, placed, expected)
    assert [by_hand[node.id] for node in nodes] == [eligibility.count(node) for node in nodes]


def test_a_selection_serves_many_people(tree, placed):
    """Items excluded for one person are not excluded for the next."""
    selection = Selection.of(tree, "year < 1900")
    number = int(selection.mask.argmax())

    for _ in range(2):
        eligibility = Eligibility(tree, selection)
        assert eligibility.allows(number)
        eligibility.exclude([(number, placed[number].leaf)])
        assert selection.total - 1 == eligibility.count(tree.node(ROOT))
        assert eligibility.selects(number)


def test_reads_little_without_a_predicate(tree, placed):
    """A history costs a query for each level of the tree, whatever the size of the catalog."""
    queries = []

    class Recorded:
        def rows(self, query, values=()):
            queries.append(query)
            return tree.rows(query, values)

    eligibility = Eligibility(Recorded())
    eligibility.exclude((number, placed[number].leaf) for number in range(50))
    eligibility.count(tree.node(ROOT))

    levels = max(len(tree.ancestors(each.leaf)) for each in placed.values()) + 1
    assert levels == len(queries)
    assert not any("attribute" in query for query in queries)
