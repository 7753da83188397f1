import sqlite3

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import predicates
from unillmrec.errors import StoreError
from unillmrec.items import Item
from unillmrec.store.columns import writer as columns
from unillmrec.store.columns.blocks import BLOCK
from unillmrec.store.columns.reader import ColumnReader
from unillmrec.store.columns.writer import LEAF, LEAVES, PATH, Column, ColumnWriter, hash_code
from unillmrec.store.migrations import migrate


def new_file():
    db = sqlite3.connect(":memory:", isolation_level=None)
    migrate(db)
    return db


def columns_of(db):
    return {
        (row[1], row[2]): Column(*row)
        for row in db.execute("SELECT id, name, kind, texts, hashed FROM attribute")
    }


def held(db):
    """Return what the columns say of each item that has something, and each leaf."""
    reader = ColumnReader(lambda query, values: db.execute(query, values).fetchall())
    found: dict[int, dict] = {}
    for stretch in reader.stretches():
        for place in np.flatnonzero(stretch.leaves() != -1):
            found[stretch.start + place] = {LEAF: int(stretch.leaves()[place])}
        for key, column in columns_of(db).items():
            for place in np.flatnonzero(stretch.present(column)):
                found[stretch.start + place][key] = value_of(db, stretch, column, place)
    return found


def value_of(db, stretch, column, place):
    if column.kind == "number":
        return float(stretch.numbers(column)[place])
    if column.kind == "truth":
        return bool(stretch.codes(column)[place])
    query = "SELECT code, text FROM attribute_text WHERE attribute = ?"
    texts = dict(db.execute(query, (column.id,)))
    if column.kind == "text":
        code = int(stretch.codes(column)[place])
        return texts.get(code, code)
    lists = stretch.lists(column)
    (which,) = np.flatnonzero(lists.owners == place)
    start = lists.ends[which - 1] if which else 0
    return tuple(texts.get(int(code), int(code)) for code in lists.codes[start : lists.ends[which]])


def expected_of(item, leaf, dictionary=None):
    """Return what the columns should say; texts outside the *dictionary* are hashed."""
    expected = {LEAF: leaf}
    if item.path:
        expected[PATH] = item.path
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
def test_columns_follow_every_change(data):
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

        assert {n: expected_of(*kept) for n, kept in catalog.items()} == held(db)


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
        writer.put(number, None, old)
        writer.place(number, None)
        del catalog[number]
        return
    writer.put(number, new, old)
    writer.place(number, seed)
    catalog[number] = (new, seed)


def test_a_change_rewrites_one_block_of_one_column():
    """A new price touches nothing but the block of prices it is in."""
    db = new_file()
    catalog = predicates.items(2 * BLOCK)
    write(db, catalog)
    old = catalog[5]
    new = Item(old.id, old.title, old.text, old.path, {**old.attributes, "price": 4711})
    before = dict(db.execute("SELECT place, packed FROM attribute_block"))

    writer = ColumnWriter(db)
    writer.put(5, new, old)
    writer.flush()

    after = dict(db.execute("SELECT place, packed FROM attribute_block"))
    changed = [place for place in after if after[place] != before[place]]
    assert [columns_of(db)["price", "number"].place(0)] == changed


def write(db, catalog):
    writer = ColumnWriter(db)
    for number, item in enumerate(catalog):
        writer.put(number, item)
    writer.place_all(np.arange(len(catalog)) % 7 + 1)
    writer.flush()


def test_all_leaves_are_written_at_once():
    """`place_all` says what `place` would have said of each."""
    one, other = new_file(), new_file()
    leaves = np.arange(BLOCK + 10) // 30 + 1

    ColumnWriter(one).place_all(leaves)
    writer = ColumnWriter(other)
    for number, leaf in enumerate(leaves.tolist()):
        writer.place(number, leaf)
    writer.flush()

    query = "SELECT * FROM attribute_block"
    assert one.execute(query).fetchall() == other.execute(query).fetchall()
    assert LEAVES == Column(0, *LEAF).id


def test_what_waits_is_bounded(monkeypatch):
    """Many changes are written before anybody asks for it."""
    monkeypatch.setattr(columns, "MOST_WAITING", 10)
    db = new_file()

    writer = ColumnWriter(db)
    for number, item in enumerate(predicates.items(9)):
        writer.put(number, item)
    assert 0 == db.execute("SELECT count(*) FROM attribute_block").fetchone()[0]
    writer.place(0, 1)

    assert 0 < db.execute("SELECT count(*) FROM attribute_block").fetchone()[0]


def test_a_full_dictionary_hashes_what_is_new(monkeypatch):
    """The same text has the same code for ever, in the dictionary or as a hash."""
    monkeypatch.setattr(columns, "MOST_TEXTS", 2)
    db = new_file()
    for number, text in enumerate(["a", "b", "c", "a", "c"]):
        writer = ColumnWriter(db)
        writer.put(number, Item(text, text, attributes={"name": text}))
        writer.place(number, 1)
        writer.flush()

    column = columns_of(db)["name", "text"]
    assert (2, True) == (column.texts, column.hashed)
    kept = [values["name", "text"] for values in held(db).values()]
    assert ["a", "b", hash_code("c"), "a", hash_code("c")] == kept


def test_a_long_text_is_hashed():
    """A description may be an attribute; it does not fill a dictionary."""
    db = new_file()
    write(db, [Item("a", "a", attributes={"blurb": "x" * 81, "short": "x" * 80})])

    assert columns_of(db)["blurb", "text"].hashed
    assert not columns_of(db)["short", "text"].hashed
    assert {hash_code("x" * 81), "x" * 80} == {
        value for (name, _), value in held(db)[0].items() if name
    } - {1}


@given(text=st.text(st.characters()))
def test_hashes_are_below_what_means_nothing(text):
    """No text gets the code of another's dictionary, or of no text at all."""
    assert -(2**63) <= hash_code(text) < -1


def test_the_number_of_columns_has_a_limit(monkeypatch):
    """Keys that are really values fill the file up to a limit; what came first stays."""
    monkeypatch.setattr(columns, "MOST_COLUMNS", 3)
    db = new_file()

    write(db, [Item(f"{n}", "x", attributes={"price": n, f"key {n}": n}) for n in range(10)])

    assert {"price", "key 0", "key 1"} == {name for name, _ in columns_of(db)}
    assert [float(n) for n in range(10)] == [h["price", "number"] for h in held(db).values()]


def test_odd_values_do_no_harm():
    """No number is missing, a number beyond all bounds is infinite, a list is a tuple."""
    db = new_file()
    values = {"none": float("nan"), "huge": 10**400, "less": -(10**400), "tags": ["a"], "x": None}
    write(db, [Item("a", "a", attributes=values)])

    assert {
        ("huge", "number"): float("inf"),
        ("less", "number"): float("-inf"),
        ("tags", "tags"): ("a",),
        LEAF: 1,
    } == held(db)[0]


def test_an_emptied_block_is_gone():
    """An attribute that nobody has any more takes no room."""
    db = new_file()
    item = Item("a", "a", attributes={"price": 3})
    write(db, [item])

    writer = ColumnWriter(db)
    writer.put(0, None, item)
    writer.place(0, None)
    writer.flush()

    assert [] == db.execute("SELECT * FROM attribute_block").fetchall()


def test_damage_is_said_in_words():
    """A block that cannot be read names its attribute."""
    db = new_file()
    item = Item("a", "a", attributes={"price": 3})
    write(db, [item])
    db.execute("UPDATE attribute_block SET packed = x'07'")
    writer = ColumnWriter(db)
    writer.put(0, None, item)

    with pytest.raises(StoreError, match="values of the attribute 'price' are damaged"):
        writer.flush()
