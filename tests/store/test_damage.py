"""Damaged trees: every read gives the right thing, or an error that says "damaged"."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.damage import AIMED, DamageBench, execute, flip
from tests import trees
from unillmrec.errors import StoreError
from unillmrec.filters.predicates import Predicate
from unillmrec.store import EditableTree, ItemTree
from unillmrec.store.columns.eligibility import Eligibility
from unillmrec.store.columns.selection import Selection
from unillmrec.store.integrity.content import find_content_damage
from unillmrec.store.integrity.diagnosis import find_damage
from unillmrec.updating.changer import TreeChanger

FINE = {"right", "damaged"}
LEAF = "(SELECT min(id) FROM node WHERE leaf)"
BRANCH = "(SELECT max(id) FROM node WHERE NOT leaf)"


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """A tree of 120 items, and the commands that read it."""
    return DamageBench(tmp_path_factory.mktemp("damage"))


@pytest.fixture
def path(shared, tmp_path):
    """A tree of three hundred items that may be damaged."""
    trees.tree(shared).close()
    target = tmp_path / "a.tree"
    target.write_bytes((shared / "words.tree").read_bytes())
    return target


def unexpected(bench, damage):
    return {name: end for name, end in bench.outcomes(damage) if end not in FINE}


@pytest.mark.parametrize("statement", AIMED.values(), ids=AIMED)
def test_each_aimed_damage_is_reported_or_harmless(bench, statement):
    """Five commands end with the right result or with "damaged"; the check always reports it."""
    outcomes = dict(bench.outcomes(execute(statement)))

    assert outcomes.keys() == bench.commands.keys()
    assert {} == {name: end for name, end in outcomes.items() if end not in FINE}
    assert "damaged" == outcomes["tree check"]


@given(seed=st.integers(0, 1 << 32))
def test_random_bytes_are_reported_or_harmless(bench, seed):
    """Whatever bytes of a tree are overwritten, no command gives a traceback or a wrong item."""
    assert {} == unexpected(bench, flip(seed))


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(10))
def test_a_thousand_random_damages(bench, hundred):
    """The same, a thousand times."""
    for seed in range(100 * hundred, 100 * hundred + 100):
        assert {} == unexpected(bench, flip(seed)), seed


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("UPDATE item SET title = 'Moby-Dicj' WHERE number = 3", "item 3 does not match its"),
        ("UPDATE item SET attributes = '{' WHERE number < 9", "each of 9 items (0, 1, 2, 3, 4, …)"),
        ("UPDATE node SET description = '[]' WHERE id = 4", "the description of node 4 cannot be"),
        ("UPDATE node SET spans = '{\"year\":3}' WHERE id = 4", "node 4 has value ranges that"),
        ("UPDATE node SET prior = 'x' WHERE id = 4", "node 4"),
        ("UPDATE item_vector SET packed = x'01' WHERE item = 3", "item 3 has a damaged vector"),
        (
            "UPDATE item_vector SET packed = CAST(packed || packed AS BLOB) WHERE item = 3",
            "item 3 has a damaged vector",
        ),
        (
            "UPDATE item_vector SET packed = (SELECT packed FROM item_vector WHERE item = 4)"
            " WHERE item = 3",
            "has a vector sum other than that of its items",
        ),
        (
            f"UPDATE node_sum SET packed = substr(packed, 1, 80) WHERE node = {BRANCH}",
            "has a vector sum other than that of its items",
        ),
        ("UPDATE term SET used_by = 'x' WHERE id = 7", "term 7 cannot be read"),
        ("UPDATE attribute_text SET code = code + 1", "other values of 'subjects'"),
        (
            "DELETE FROM attribute_block WHERE place >> 32 ="
            " (SELECT id FROM attribute WHERE name = 'year')",
            "300 other values of 'year'",
        ),
        ("DELETE FROM attribute WHERE name = 'year'", "300 other values of 'year'"),
        (
            "UPDATE attribute_block SET packed = x'00' WHERE place >> 32 ="
            " (SELECT id FROM attribute WHERE name = 'year')",
            "the column of the attribute 'year' is damaged",
        ),
    ],
)
def test_the_check_names_each_kind_of_content(path, statement, sentence):
    """Items, descriptions, vectors, sums, terms and columns are compared with each other."""
    execute(statement)(path)

    with ItemTree.open(path) as tree:
        found = list(find_content_damage(tree))

    assert any(sentence in each for each in found), found


def test_intact_trees_have_no_damage(shared):
    """Trees from words, with popularity, from given vectors, and of one leaf are all sound."""
    for tree in (
        trees.tree(shared),
        trees.popular_tree(shared),
        trees.given_tree(shared),
        trees.shelf_tree(shared),
    ):
        with tree:
            assert [] == list(find_damage(tree))


def test_a_tree_is_sound_after_changes(path):
    """Sums, vectors and columns of a changed tree still match."""
    items = trees.items()
    with TreeChanger(path) as changer:
        changer.delete([each.id for each in items[:120]])
        changer.upsert([*trees.items(340)[290:]])
        changer.sync(items[10:330])
        assert [] == list(find_damage(changer.tree))


def test_sync_writes_damaged_items_again(path):
    """Title, attributes and columns of an item that does not match its hash are restored."""
    execute("UPDATE item SET title = 'Moby-Dicj' WHERE number = 3")(path)
    execute("UPDATE item SET attributes = '{' WHERE number = 5")(path)
    execute("UPDATE item SET hash = x'00', text = x'ff' WHERE number = 6")(path)

    with TreeChanger(path) as changer:
        report = changer.sync(trees.items())
        again = changer.sync(trees.items())

    assert (3, 297) == (report.updated, report.unchanged)
    assert 300 == again.unchanged
    with ItemTree.open(path) as tree:
        assert [] == list(find_damage(tree))
        assert trees.items()[3] == tree.items_by_number([3])[3].item


def test_sync_deletes_damaged_items(path):
    """An item that is not in the catalog is deleted with its columns, although it is damaged."""
    execute("UPDATE item SET attributes = '{' WHERE number = 5")(path)

    with TreeChanger(path) as changer:
        items = trees.items()
        report = changer.sync([*items[:5], *items[6:]])

    assert 1 == report.deleted
    with ItemTree.open(path) as tree:
        assert [] == list(find_damage(tree))


def test_a_changed_title_is_never_shown(path):
    """A read of the item says that it is damaged, and how to repair it."""
    execute("UPDATE item SET title = 'Moby-Dicj' WHERE number = 3")(path)

    with ItemTree.open(path) as tree, pytest.raises(StoreError, match="item 3 does not") as raised:
        tree.items_by_id(["item-003"])

    assert f"unillmrec sync {path} CATALOG" in raised.value.remedy


def test_a_cycle_of_nodes_ends_every_loop(path):
    """Ancestors, subtrees, exclusions and counts of nodes in a cycle are errors."""
    execute(
        f"UPDATE node SET parent = {BRANCH} WHERE id = (SELECT parent FROM node WHERE id ="
        f" {BRANCH})"
    )(path)
    with closing(sqlite3.connect(path)) as db:
        ((branch,),) = db.execute("SELECT max(id) FROM node WHERE NOT leaf")
        ((number, leaf),) = db.execute(
            "SELECT number, item.leaf FROM item JOIN node ON node.id = item.leaf"
            " WHERE parent = ? LIMIT 1",
            (branch,),
        )

    with EditableTree.open(path) as tree:
        for read in (
            lambda: tree.ancestors(leaf),
            lambda: tree.subtree(branch),
            lambda: tree.parents_up_to_root([leaf]),
            lambda: Eligibility(tree).exclude([(number, leaf)]),
            lambda: Selection.of(tree, Predicate.parse("year > 1")),
        ):
            with pytest.raises(StoreError, match="is damaged"):
                read()


def test_a_late_error_is_explained_by_the_damage(path):
    """An error that no check on the way covers becomes one that names the damage."""
    execute("DELETE FROM item_vector WHERE item = 3")(path)

    message = "is damaged: 1 items without a vector: 3"
    with pytest.raises(StoreError, match=message) as raised, ItemTree.open(path):
        raise KeyError("no vector")
    assert isinstance(raised.value.__cause__, KeyError)


def test_an_error_of_our_own_stays_one(path):
    """If the file is sound, the error is not blamed on it."""
    with pytest.raises(KeyError), ItemTree.open(path):
        raise KeyError("a mistake in the program")
    with pytest.raises(ZeroDivisionError), TreeChanger(path):
        raise ZeroDivisionError


def test_a_vector_of_another_length_is_damage(shared, tmp_path):
    """In a tree of given vectors, all have the same length."""
    trees.given_tree(shared).close()
    path = tmp_path / "given.tree"
    path.write_bytes((shared / "given.tree").read_bytes())
    execute("UPDATE item_vector SET packed = CAST(packed || packed AS BLOB) WHERE item = 3")(path)

    with ItemTree.open(path) as tree, pytest.raises(StoreError, match="is damaged"):
        tree.item_vectors([2, 3])
    with ItemTree.open(path) as tree:
        assert any("item 3 has a damaged vector" in each for each in find_content_damage(tree))
