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
def test_finds_what_a_plain_search_finds(tree, item, count, block):
    """Block by block or at once: the nearest of all, best first, excluded ones left out."""
    (taste,) = tree.item_vectors([item])
    eligibility = Eligibility(tree)
    eligibility.exclude((number, 1) for number in range(0, 300, 4))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nearest, "BLOCK", block)
        found = nearest_items(tree, taste, count, eligibility)

    numbers = [number for number in range(300) if number % 4]
    plain = similarities(taste, tree.item_vectors(numbers)).tolist()
    assert sorted(plain, reverse=True)[:count] == pytest.approx(
        [near for _, near in found], abs=2e-3
    )
    by_number = dict(zip(numbers, plain, strict=True))
    for number, near in found:
        assert by_number[number] == pytest.approx(near, abs=2e-3)


def test_finds_only_what_a_predicate_lets_through(tree):
    """A filter holds for a search by vectors as for a walk."""
    (taste,) = tree.item_vectors([5])
    selection = Selection.of(tree, "year < 1810")

    found = nearest_items(tree, taste, 300, Eligibility(tree, selection))

    assert selection.total == len(found)
    assert all(number in selection for number, _ in found)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(item=st.integers(0, 299), count=st.integers(1, 80), chosen=st.sets(st.integers(0, 30)))
def test_finds_in_some_leaves_what_a_plain_search_finds_there(tree, item, count, chosen):
    """Also twice in a row, when the leaves are kept; no leaf at all holds nothing."""
    leaves = [leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf = 1 ORDER BY id")]
    some = [leaves[number] for number in sorted(chosen) if number < len(leaves)]
    (taste,) = tree.item_vectors([item])
    eligibility = Eligibility(tree)
    eligibility.exclude((number, 1) for number in range(0, 300, 4))
    found, again = (nearest_of_leaves(tree, taste, some, count, eligibility) for _ in range(2))

    numbers = eligibility.among(tree.item_numbers_in(some))
    plain = tree.item_similarities(taste, numbers)
    order = np.argsort(-plain, kind="stable")[:count]
    by_number = dict(zip(numbers, plain.tolist(), strict=True))
    assert len({number for number, _ in found}) == len(found)
    assert [by_number[n] for n, _ in found] == pytest.approx([near for _, near in found])
    assert [float(plain[place]) for place in order] == pytest.approx([near for _, near in found])
    assert found == again


@pytest.mark.parametrize("block", [7, 20_000])
def test_of_equals_the_first_of_the_catalog_are_not_preferred(tmp_path, monkeypatch, block):
    """Neither of all items, block by block or at once, nor of those of leaves."""
    monkeypatch.setattr(nearest, "BLOCK", block)
    alike = [Item(item.id, "The same", "as all others") for item in trees.items()]
    with trees.tree(tmp_path, "alike", alike) as tree:
        (taste,) = tree.item_vectors([0])
        leaves = [leaf for (leaf,) in tree.rows("SELECT id FROM node WHERE leaf = 1")]
        some = nearest_items(tree, taste, 60, Eligibility(tree))
        there = nearest_of_leaves(tree, taste, leaves, 60, Eligibility(tree))
        again = nearest_items(tree, taste, 60, Eligibility(tree))

    numbers = [number for number, _ in some]
    assert 60 == len(set(numbers))
    assert 110 < np.mean(numbers) < 190
    assert some == again
    assert numbers == [number for number, _ in there]


def test_words_that_came_after_opening_do_no_harm(tmp_path):
    """Another process may add items with new words; a tree that is open finds those as well."""
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
