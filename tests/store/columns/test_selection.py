import random
import sqlite3
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import given

from tests import trees
from tests.predicates import CONDITIONS, holds, items
from unillmrec.errors import PredicateError, StoreError
from unillmrec.filters.predicates import Predicate
from unillmrec.items import Item
from unillmrec.store import EditableTree, ItemTree
from unillmrec.store.columns.blocks import BLOCK
from unillmrec.store.columns.selection import Selection
from unillmrec.store.columns.writer import ColumnWriter
from unillmrec.store.migrations import TREE_FILE
from unillmrec.system.sqlite import prepare

COUNT = 700
NODES = 60


class FakeTree:
    """The part of a tree that a selection reads: items by number, with gaps, and nodes."""

    path = Path("a.tree")

    def __init__(self, catalog, parents, leaves):
        self.catalog = catalog
        self.parents = parents
        self.leaves = leaves
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        prepare(self.db, TREE_FILE)
        writer = ColumnWriter(self.db)
        for number, item in catalog.items():
            writer.set_item(number, item)
            writer.set_leaf(number, leaves[number])
        writer.flush()
        self.db.executemany(
            "INSERT INTO item VALUES (?, ?, '', '', '[]', '{}', x'', ?, 0)",
            [(number, item.id, leaves[number]) for number, item in catalog.items()],
        )
        self.db.executemany(
            "INSERT INTO node (id, parent, place, depth, size, leaf, description, spans)"
            " VALUES (?, ?, 0, 0, 0, 0, '', '')",
            parents.items(),
        )

    def fact_now(self, name):
        assert "next_node" == name
        return max(self.parents) + 1

    def snapshot(self):
        return nullcontext()

    def rows(self, query, values=()):
        return self.db.execute(query, values).fetchall()

    def matching(self, condition):
        """Return the numbers of the items for which a condition holds."""
        return {number for number, item in self.catalog.items() if holds(condition, item)}

    def below(self, numbers):
        """Count items at their leaves and at all ancestors of these."""
        counts = Counter()
        for number in numbers:
            at = self.leaves[number]
            while at is not None:
                counts[at] += 1
                at = self.parents[at]
        return counts


@pytest.fixture(scope="module")
def tree():
    """Items scattered over three blocks, with more authors than a dictionary holds."""
    chance = random.Random(5)
    parents = {1: None} | {n: chance.randrange(1, n) for n in range(2, NODES)}
    numbers = [0, BLOCK - 1, BLOCK, *chance.sample(range(2 * BLOCK + 100), COUNT)]
    catalog = dict(zip(numbers, items(COUNT), strict=False))
    leaves = {number: chance.randrange(1, NODES) for number in catalog}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("unillmrec.store.columns.writer.MAX_DICTIONARY", 12)
        patch.setattr("unillmrec.store.columns.reader.SEGMENT_BLOCKS", 1)
        yield FakeTree(catalog, parents, leaves)


@given(condition=CONDITIONS)
def test_selects_what_the_predicate_describes(tree, condition):
    """Columns and plain Python agree on every item, and on the count of every node."""
    expected = tree.matching(condition)

    selection = Selection.of(tree, str(condition))

    assert expected == {number for number in tree.catalog if number in selection}
    assert len(expected) == selection.total == int(selection.mask.sum())
    below = tree.below(expected)
    assert [below[node] for node in range(NODES)] == [selection.count(n) for n in range(NODES)]


CATALOG = [
    {"price": 5, "on_sale": True, "language": "en", "kinds": ("a", "b")},
    {"price": 20.0, "on_sale": False, "language": "fr", "kinds": ("b",)},
    {"price": "on request", "language": "EN", "kinds": "a"},
    {},
]
"""Four items: cheap, expensive, unusual, and without attributes."""


@pytest.fixture(scope="module")
def four():
    catalog = {n: Item(f"i{n}", "x", attributes=each) for n, each in enumerate(CATALOG)}
    catalog[0] = Item("i0", "x", path=("Books", "Art"), attributes=CATALOG[0])
    return FakeTree(catalog, {1: None}, dict.fromkeys(catalog, 1))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("price < 20", {0}),
        ("price <= 20", {0, 1}),
        ("10 <= price < 30", {1}),
        ("price != 5", {1}),
        ("not price == 5", {1, 2, 3}),
        ("price == 'on request'", {2}),
        ("price in (5, 'on request')", {0, 2}),
        ("price not in (5, 'on request')", {1}),
        ("price != 'on request'", set()),
        ("has(price)", {0, 1, 2}),
        ("not has(price)", {3}),
        ("on_sale", {0}),
        ("not on_sale", {1, 2, 3}),
        ("on_sale == false", {1}),
        ("on_sale != true", {1}),
        ("has(on_sale) and not on_sale", {1}),
        ("language == 'en'", {0}),
        ("language != 'en'", {1, 2}),
        ("language > 'EN'", {0, 1}),
        ("language in ('en', 'de')", {0}),
        ("'e' in language", set()),
        ("kinds == 'a'", {0, 2}),
        ("'a' in kinds", {0, 2}),
        ("'a' not in kinds", {1}),
        ("not 'a' in kinds", {1, 3}),
        ("kinds in ('a', 'b')", {0, 1, 2}),
        ("kinds == 'c'", set()),
        ("kinds < 'b'", {2}),
        ("'Books' in path", {0}),
        ("path != 'Books'", set()),
        ("not path == 'Books'", {1, 2, 3}),
        ("has(path)", {0}),
        ("id in ('i1', 'i3', 'nobody')", {1, 3}),
        ("id != 'i1'", {0, 2, 3}),
        ("has(id)", {0, 1, 2, 3}),
        ("id == 'i1' or price < 10", {0, 1}),
    ],
)
def test_rules_by_example(four, where, expected):
    """Missing values, values of two kinds, lists, paths and ids."""
    selection = Selection.of(four, where)

    assert expected == {number for number in range(4) if number in selection}


def test_takes_a_parsed_predicate(four):
    """The result holds the same predicate."""
    predicate = Predicate.parse("price < 20")

    selection = Selection.of(four, predicate)

    assert predicate is selection.predicate
    assert (1, 1, 1) == (selection.total, selection.count(1), 0 in selection)


def test_unknown_numbers_are_not_selected(four):
    """Items and nodes added later are not counted."""
    selection = Selection.of(four, "has(id)")

    assert 10_000_000 not in selection
    assert 0 == selection.count(99)


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("prize < 20", "no attribute 'prize'"),
        ("on_sale < 20", "on_sale holds true or false"),
        ("language < 20", "language holds texts; 20 is a number"),
        ("kinds < 20", "kinds holds texts and lists of texts"),
        ("path < 'a'", "path holds lists of texts, which have no order"),
        ("price ! 20", "'!' is not expected here"),
    ],
)
def test_refuses_unsuitable_predicates(four, where, problem):
    """The tree knows its attributes and their kinds of values."""
    with pytest.raises(PredicateError, match=problem):
        Selection.of(four, where)


def test_a_commit_does_not_change_a_selection_being_read(tmp_path):
    """Columns, leaves and nodes have one state, although a writer commits between two reads."""
    with trees.tree(tmp_path) as made:
        path = made.path
    with ItemTree.open(path) as reader, EditableTree.open(path) as writer:
        removed = list(writer.items_by_id([f"item-{n:03}" for n in range(100)]).values())
        read = reader.rows

        def interrupted(query, values=()):
            rows = read(query, values)
            if removed and "FROM attribute" in query:
                with writer.transaction():
                    writer.remove_items(removed)
                removed.clear()
            return rows

        reader.rows = interrupted
        selection = Selection.of(reader, "has(year)")
        again = Selection.of(reader, "has(year)")

    assert (300, 200) == (selection.total, again.total)
    assert selection.count(1) == selection.total == int(selection.mask.sum())


def test_a_full_dictionary_has_no_order(tree):
    """Hashed texts can be compared with `==`; `<` is refused, with the reason."""
    some = next(
        item.attributes["author"] for item in tree.catalog.values() if "author" in item.attributes
    )

    assert Selection.of(tree, f"author == '{some}'").total
    with pytest.raises(PredicateError, match="its texts are long, or more than 65,536 different"):
        Selection.of(tree, "author < 'b'")


def test_explains_that_there_are_too_many_attributes(monkeypatch):
    """An unknown attribute may be one that was not stored."""
    monkeypatch.setattr("unillmrec.store.columns.writer.MAX_COLUMNS", 2)
    monkeypatch.setattr("unillmrec.store.columns.reader.MAX_COLUMNS", 2)
    item = Item("a", "a", attributes={"one": 1, "two": 2, "three": 3})
    tree = FakeTree({0: item}, {1: None}, {0: 1})

    with pytest.raises(PredicateError, match="Filters know the first 2 attributes only"):
        Selection.of(tree, "three == 3")


def test_an_emptied_tree_has_no_items():
    """A tree without items can be filtered like any other."""
    selection = Selection.of(FakeTree({}, {1: None}, {}), "has(id)")

    assert (0, 0) == (selection.total, selection.count(1))


def test_a_cycle_of_nodes_is_refused():
    """A damaged file does not cause an endless loop."""
    tree = FakeTree({0: Item("a", "a")}, {1: 2, 2: 1}, {0: 1})

    with pytest.raises(StoreError, match="is its own ancestor"):
        Selection.of(tree, "has(id)")
