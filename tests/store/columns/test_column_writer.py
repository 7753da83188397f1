import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import predicates
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store.columns import writer
from unillmrec.store.columns.blocks import BLOCK
from unillmrec.store.columns.column import (
    LEAF_COLUMN,
    LEAF_KEY,
    PATH_KEY,
    Column,
    hash_code,
)
from unillmrec.store.columns.reader import ColumnReader
from unillmrec.store.columns.writer import ColumnWriter
from unillmrec.store.migrations import TREE_FILE
from unillmrec.system.sqlite import prepare


def new_file():
    db = sqlite3.connect(":memory:", isolation_level=None)
    prepare(db, TREE_FILE)
    return db


def columns_of(db):
    return {
        (row[1], row[2]): Column(*row)
        for row in db.execute("SELECT id, name, kind, texts, hashed FROM attribute")
    }


def stored_values(db):
    """Return the values and the leaf that the columns hold for each item."""
    reader = ColumnReader(lambda query, values: db.execute(query, values).fetchall())
    values: dict[int, dict] = {}
    for segment in reader.segments():
        for position in np.flatnonzero(segment.leaves() != -1):
            values[segment.start + position] = {LEAF_KEY: int(segment.leaves()[position])}
        for key, column in columns_of(db).items():
            for position in np.flatnonzero(segment.present(column)):
                values[segment.start + position][key] = value_of(db, segment, column, position)
    return values


def value_of(db, segment, column, position):
    if column.kind == "number":
        return float(segment.numbers(column)[position])
    if column.kind == "truth":
        return bool(segment.codes(column)[position])
    query = "SELECT code, text FROM attribute_text WHERE attribute = ?"
    texts = dict(db.execute(query, (column.id,)))
    if column.kind == "text":
        code = int(segment.codes(column)[position])
        return texts.get(code, code)
    lists = segment.lists(column)
    (which,) = np.flatnonzero(lists.owners == position)
    start = lists.ends[which - 1] if which else 0
    return tuple(texts.get(int(code), int(code)) for code in lists.codes[start : lists.ends[which]])


def expected_of(item, leaf):
    """Return what the columns should hold; long texts are hashed."""
    expected = {LEAF_KEY: leaf}
    if item.path:
        expected[PATH_KEY] = item.path
    for name, value in item.attributes.items():
        if isinstance(value, bool):
            expected[name, "truth"] = value
        elif isinstance(value, str):
            expected[name, "text"] = value if len(value) <= 80 else hash_code(value)
        elif isinstance(value, tuple):
            if value:
                expected[name, "tags"] = value
        else:
            expected[name, "number"] = float(value)
    return expected


@given(data=st.data())
def test_columns_are_updated_with_every_change(data):
    """After inserts, updates, moves and deletes the columns hold what the items hold."""
    db = new_file()
    chance = data.draw(st.randoms(use_true_random=False))
    numbers = [0, 1, 2, 3, BLOCK - 1, BLOCK, 3 * BLOCK + 5]
    catalog: dict[int, tuple[Item, int]] = {}
    for _ in range(data.draw(st.integers(1, 4))):
        writer = ColumnWriter(db)
        for _ in range(data.draw(st.integers(1, 12))):
            change(writer, catalog, chance.choice(numbers), chance)
            if chance.random() < 0.2:
                writer.flush()
        writer.flush()

        assert {n: expected_of(*each) for n, each in catalog.items()} == stored_values(db)


def change(writer, catalog, number, chance):
    """Insert, update, move or delete one item, in the catalog and in the columns."""
    seed = chance.randrange(1000)
    old, _ = catalog.get(number, (None, 0))
    if old is None:
        (new,) = predicates.items(1, seed)
    elif chance.random() < 0.4:
        new = None
    else:
        new = predicates.changed(old, seed)
    if new is None:
        writer.set_item(number, None, old)
        writer.set_leaf(number, None)
        del catalog[number]
        return
    writer.set_item(number, new, old)
    writer.set_leaf(number, seed)
    catalog[number] = (new, seed)


def test_a_change_rewrites_one_block_of_one_column():
    """A new price rewrites only the block of prices that it is in."""
    db = new_file()
    catalog = predicates.items(2 * BLOCK)
    write(db, catalog)
    old = catalog[5]
    new = Item(old.id, old.title, old.text, old.path, {**old.attributes, "price": 4711})
    before = dict(db.execute("SELECT place, packed FROM attribute_block"))

    writer = ColumnWriter(db)
    writer.set_item(5, new, old)
    writer.flush()

    after = dict(db.execute("SELECT place, packed FROM attribute_block"))
    changed = [key for key in after if after[key] != before[key]]
    assert [columns_of(db)["price", "number"].block_key(0)] == changed


def write(db, catalog):
    writer = ColumnWriter(db)
    for number, item in enumerate(catalog):
        writer.set_item(number, item)
    writer.set_all_leaves(np.arange(len(catalog)) % 7 + 1)
    writer.flush()


def test_all_leaves_are_written_at_once():
    """`set_all_leaves` writes the same as `set_leaf` for each item."""
    one, other = new_file(), new_file()
    leaves = np.arange(BLOCK + 10) // 30 + 1

    ColumnWriter(one).set_all_leaves(leaves)
    writer = ColumnWriter(other)
    for number, leaf in enumerate(leaves.tolist()):
        writer.set_leaf(number, leaf)
    writer.flush()

    query = "SELECT * FROM attribute_block"
    assert one.execute(query).fetchall() == other.execute(query).fetchall()
    assert LEAF_COLUMN == Column(0, *LEAF_KEY).id


def test_pending_changes_are_bounded(monkeypatch):
    """Many changes are written without a call of `flush`."""
    monkeypatch.setattr(writer, "MAX_PENDING", 10)
    db = new_file()

    columns = ColumnWriter(db)
    for number, item in enumerate(predicates.items(9)):
        columns.set_item(number, item)
    assert 0 == db.execute("SELECT count(*) FROM attribute_block").fetchone()[0]
    columns.set_leaf(0, 1)

    assert 0 < db.execute("SELECT count(*) FROM attribute_block").fetchone()[0]


def test_a_full_dictionary_hashes_new_texts(monkeypatch):
    """A text keeps its code for ever, whether from the dictionary or a hash."""
    monkeypatch.setattr(writer, "MAX_DICTIONARY", 2)
    db = new_file()
    for number, text in enumerate(["a", "b", "c", "a", "c"]):
        columns = ColumnWriter(db)
        columns.set_item(number, Item(text, text, attributes={"name": text}))
        columns.set_leaf(number, 1)
        columns.flush()

    column = columns_of(db)["name", "text"]
    assert (2, True) == (column.texts, column.hashed)
    codes = [values["name", "text"] for values in stored_values(db).values()]
    assert ["a", "b", hash_code("c"), "a", hash_code("c")] == codes


def test_a_long_text_is_hashed():
    """An attribute may hold descriptions, which would fill the dictionary."""
    db = new_file()
    write(db, [Item("a", "a", attributes={"blurb": "x" * 81, "short": "x" * 80})])

    assert columns_of(db)["blurb", "text"].hashed
    assert not columns_of(db)["short", "text"].hashed
    assert {hash_code("x" * 81), "x" * 80} == {
        value for (name, _), value in stored_values(db)[0].items() if name
    } - {1}


@given(text=st.text(st.characters()))
def test_hashes_are_below_the_code_for_no_value(text):
    """No hash equals a dictionary code, or the code for a missing text."""
    assert -(2**63) <= hash_code(text) < -1


def test_the_number_of_columns_has_a_limit(monkeypatch):
    """Attribute names that are really values fill the file up to a limit; the first ones stay."""
    monkeypatch.setattr(writer, "MAX_COLUMNS", 3)
    db = new_file()

    write(db, [Item(f"{n}", "x", attributes={"price": n, f"key {n}": n}) for n in range(10)])

    assert {"price", "key 0", "key 1"} == {name for name, _ in columns_of(db)}
    assert [float(n) for n in range(10)] == [
        h["price", "number"] for h in stored_values(db).values()
    ]


def test_unusual_values_are_stored():
    """NaN is missing, a number out of range is infinite, a list is a tuple."""
    db = new_file()
    values = {"none": float("nan"), "huge": 10**400, "less": -(10**400), "tags": ["a"], "x": None}
    write(db, [Item("a", "a", attributes=values)])

    assert {
        ("huge", "number"): float("inf"),
        ("less", "number"): float("-inf"),
        ("tags", "tags"): ("a",),
        LEAF_KEY: 1,
    } == stored_values(db)[0]


def test_an_emptied_block_is_deleted():
    """An attribute that no item has any more takes no space."""
    db = new_file()
    item = Item("a", "a", attributes={"price": 3})
    write(db, [item])

    writer = ColumnWriter(db)
    writer.set_item(0, None, item)
    writer.set_leaf(0, None)
    writer.flush()

    assert [] == db.execute("SELECT * FROM attribute_block").fetchall()


def test_a_damaged_block_names_its_attribute():
    """The error tells which attribute cannot be read."""
    db = new_file()
    item = Item("a", "a", attributes={"price": 3})
    write(db, [item])
    db.execute("UPDATE attribute_block SET packed = x'07'")
    writer = ColumnWriter(db)
    writer.set_item(0, None, item)

    with pytest.raises(StoreError, match="column of the attribute 'price' is damaged"):
        writer.flush()
