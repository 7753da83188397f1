import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests import trees
from unillmrec.items import Item
from unillmrec.store import nearest
from unillmrec.store.columns.eligibility import Eligibility
from unillmrec.store.columns.selection import Selection
from unillmrec.store.nearest import nearest_items, nearest_of_leaves
from unillmrec.tree.vectors import similarities
from unillmrec.updating.changer import TreeChanger


@pytest.fixture(scope="module", params=["words", "given"])
def tree(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trees")
    make = trees.given_tree if request.param == "given" else trees.tree
    return make(folder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(item=st.integers(0, 299), count=st.integers(1, 310), block=st.sampled_from([1, 7, 20_000]))
def test_finds_the_same_as_a_plain_search(tree, item, count, block):
    """The nearest items, best first, without the excluded ones, whatever the block size."""
    (query,) = tree.item_vectors([item])
    eligibility = Eligibility(tree)
    eligibility.exclude((number, 1) for number in range(0, 300, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "BLOCK", block)
        results = nearest_items(tree, query, count, eligibility)

    numbers = [number for number in range(300) if number % 4]
    plain = similarities(query, tree.item_vectors(numbers)).tolist()
    assert sorted(plain, reverse=True)[:count] == pytest.approx(
        [near for _, near in results], abs=2e-3
    )
    by_number = dict(zip(numbers, plain, strict=True))
    for number, near in results:
        assert by_number[number] == pytest.approx(near, abs=2e-3)


def test_finds_only_selected_items(tree):
    """A filter applies to a vector search too."""
    (query,) = tree.item_vectors([5])
    selection = Selection.of(tree, "year < 1810")

    results = nearest_items(tree, query, 300, Eligibility(tree, selection))

    assert selection.total == len(results)
    assert all(number in selection for number, _ in results)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(item=st.integers(0, 299), count=st.integers(1, 80), chosen=st.sets(st.integers(0, 30)))
def test_finds_the_same_in_some_leaves_as_a_plain_search(tree, item, count, chosen):
    """Also a second time, from the cache; without leaves there are no items."""
    leaves = [leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf = 1 ORDER BY id")]
    some = [leaves[number] for number in sorted(chosen) if number < len(leaves)]
    (query,) = tree.item_vectors([item])
    eligibility = Eligibility(tree)
    eligibility.exclude((number, 1) for number in range(0, 300, 4))
    results, again = (nearest_of_leaves(tree, query, some, count, eligibility) for _ in range(2))

    numbers = eligibility.filter(tree.item_numbers_in(some))
    plain = tree.item_similarities(query, numbers)
    order = np.argsort(-plain, kind="stable")[:count]
    by_number = dict(zip(numbers, plain.tolist(), strict=True))
    assert len({number for number, _ in results}) == len(results)
    assert [by_number[n] for n, _ in results] == pytest.approx([near for _, near in results])
    assert [float(plain[place]) for place in order] == pytest.approx([near for _, near in results])
    assert results == again


@pytest.mark.parametrize("block", [7, 20_000])
def test_ties_do_not_favour_the_first_items_of_the_catalog(tmp_path, monkeypatch, block):
    """Neither among all items, nor among those of some leaves."""
    monkeypatch.setattr(nearest, "BLOCK", block)
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    with trees.tree(tmp_path, "alike", alike) as tree:
        (query,) = tree.item_vectors([0])
        leaves = [leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf = 1")]
        some = nearest_items(tree, query, 60, Eligibility(tree))
        there = nearest_of_leaves(tree, query, leaves, 60, Eligibility(tree))
        again = nearest_items(tree, query, 60, Eligibility(tree))

    numbers = [number for number, _ in some]
    assert 60 == len(set(numbers))
    assert 110 < np.mean(numbers) < 190
    assert some == again
    assert numbers == [number for number, _ in there]


def test_terms_added_after_opening_are_found(tmp_path):
    """Another process may add items with new terms; an open tree finds them."""
    with trees.tree(tmp_path) as tree:
        with TreeChanger(tmp_path / "words.tree") as changer:
            changer.insert([Item("new", "A whale and a submarine", "A periscope, a torpedo.")])
        (old,) = tree.item_vectors([0])
        (new,) = tree.item_vectors([300])
        assert new.ids.max() >= tree.facts["next_term"]

        everything = nearest_items(tree, old, 301, Eligibility(tree))
        assert set(range(301)) == {number for number, _ in everything}
        assert 300 == nearest_items(tree, new, 1, Eligibility(tree))[0][0]
        rows = tree.item_matrix([0, 300])
        assert np.diag((rows @ rows.T).toarray()) == pytest.approx([1, 1], abs=1e-2)
        assert new.ids.max() < rows.shape[1]
