import json

import pytest

from tests import trees
from tests.cli.conftest import names_in, on_terminal
from unillmrec.cli.changes import fields as change_fields
from unillmrec.items import Item
from unillmrec.store import ItemTree

NEW = [{"id": f"new-{n}", "title": f"The harbour and the whale {n}", "year": n} for n in range(30)]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path.name


def everything(name):
    """Return all that is in a tree's file, as far as it says anything."""
    with ItemTree.open(name) as tree:
        tables = ("item", "item_vector", "node", "node_sum", "term", "attribute_block", "fact")
        return {table: tree.rows(f"SELECT * FROM {table} ORDER BY 1") for table in tables}


def test_inserts_a_file_and_says_so(run, shop, tmp_path):
    """What was inserted is reported, and is there."""
    ended = run("insert", shop, write(tmp_path / "new.jsonl", NEW))

    assert 0 == ended.code
    assert ["shop.tree  330 items now", "items  30 inserted"] == ended.out.splitlines()[:2]
    with ItemTree.open(shop) as tree:
        assert 30 == len(tree.items_by_id([row["id"] for row in NEW]))


def test_json_has_the_promised_fields(run, shop, tmp_path):
    """`--json` prints what the help lists, for every command that changes a tree."""
    new = write(tmp_path / "new.jsonl", NEW)
    for arguments in (
        ["insert", shop, new],
        ["update", shop, new],
        ["upsert", shop, new],
        ["delete", shop, "new-1"],
        ["sync", shop, new],
    ):
        result = run(*arguments, "--json").json

        assert names_in(change_fields.FIELDS) == sorted(result)
    assert (29 - 29 + 1, 300) == (result["inserted"], result["deleted"])


def test_takes_one_item_and_a_stream(run, shop, tmp_path, monkeypatch):
    """An item may stand on the command line, and items may come through a pipe."""
    one = run("insert", shop, "--item", '{"id": "x", "title": "A storm at sea"}', "--json").json
    write(tmp_path / "new.jsonl", NEW)
    with (tmp_path / "new.jsonl").open() as stream:
        monkeypatch.setattr("sys.stdin", stream)
        many = run("insert", shop, "-", "--batch", 7, "--json").json

    assert (1, 30, 331) == (one["inserted"], many["inserted"], many["items"])


def test_deletes_by_ids_and_by_a_file(run, shop, tmp_path):
    """Ids may be named, or stand in a file."""
    (tmp_path / "gone.txt").write_text("item-003\nitem-004\n", encoding="utf-8")
    first = run("delete", shop, "item-001", "item-002", "--json").json
    second = run("delete", shop, "--ids", "gone.txt", "--json").json

    assert (2, 2, 296) == (first["deleted"], second["deleted"], second["items"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["delete", "item-0o1"], "The nearest id to 'item-0o1' is 'item-0"),
        (["delete", "item-001", "nobody"], "1 of 2 items are not in shop.tree: 'nobody'."),
        (["update", "new.jsonl"], "30 of 30 items are not in shop.tree"),
        (["insert", "there.jsonl"], "1 of 2 items are in shop.tree already: 'item-007'."),
        (["insert", "twice.jsonl"], "'x'"),
        (["insert", "--item", "{"], "--item is not JSON"),
        (["insert", "missing.jsonl"], "there is no such file"),
        (["sync", "empty.jsonl"], "empty"),
        (["insert", "new.jsonl", "--vectors", "no.npy"], "it takes no vectors"),
    ],
)
def test_what_does_not_fit_changes_nothing(run, shop, tmp_path, arguments, message):
    """An error says what does not fit, ends with three, and leaves the tree as it was."""
    write(tmp_path / "new.jsonl", NEW)
    write(tmp_path / "there.jsonl", [{"id": "item-007", "title": "x"}, {"id": "y", "title": "y"}])
    write(tmp_path / "twice.jsonl", [{"id": "x", "title": "x"}, {"id": "x", "title": "y"}])
    write(tmp_path / "empty.jsonl", [])
    before = everything(shop)
    command, *rest = arguments

    ended = run(command, shop, *rest)

    assert (3, "") == (ended.code, ended.out)
    assert message in ended.err
    assert before == everything(shop)


def test_ignore_missing_skips_unknown_ids(run, shop):
    """`--ignore-missing` deletes what is there and counts the rest."""
    result = run("delete", shop, "item-001", "nobody", "--ignore-missing", "--json").json

    assert (1, 1) == (result["deleted"], result["ignored"])


def test_a_price_touches_no_vector_and_no_description(run, shop, tmp_path):
    """An attribute-only change leaves vectors, nodes and sums byte for byte as they were."""
    before = everything(shop)
    row = next(each for each in trees.items() if each.id == "item-010")
    changed = {"id": row.id, "title": row.title, "text": row.text, **row.attributes, "year": 3}
    run("update", shop, write(tmp_path / "a.jsonl", [changed]))
    after = everything(shop)

    for table in ("item_vector", "node", "node_sum", "term"):
        assert before[table] == after[table]
    assert before["item"] != after["item"]
    with ItemTree.open(shop) as tree:
        (placed,) = tree.items_by_id(["item-010"]).values()
        expected = Item(row.id, row.title, row.text, (), {**row.attributes, "year": 3})
        assert expected == placed.item


def test_sync_reads_the_columns_that_the_build_read(run, tmp_path):
    """The same file synced again changes nothing, whatever flags the build was given."""
    rows = [
        {"key": f"{n:03}", "label": f"Thing {n}", "words": "a b c", "code": str(n), "title": "no"}
        for n in range(20)
    ]
    catalog = write(tmp_path / "odd.jsonl", rows)
    flags = ("--id", "key", "--title", "label", "--text", "words", "--as-text", "code")
    run("build", catalog, "-o", "odd.tree", *flags)
    before = everything("odd.tree")

    result = run("sync", "odd.tree", catalog, "--json").json

    assert (20, 0, 0) == (result["unchanged"], result["inserted"], result["refreshed"])
    assert before == everything("odd.tree")


def test_vectors_come_in_the_order_of_the_items(run, shelf, tmp_path):
    """A tree over given vectors takes a row for each item, and says if one is missing."""
    import numpy as np

    rows = [
        {"id": f"n{n}", "title": f"New {n}", "author": "N", "subjects": ["sea"], "readers": n + 1}
        for n in range(3)
    ]
    new = write(tmp_path / "new.jsonl", rows)
    np.save(tmp_path / "two.npy", np.eye(3, dtype=np.float32)[:2])
    np.save(tmp_path / "three.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "wide.npy", np.ones((3, 5), np.float32))

    without = run("insert", shelf, new)
    few = run("insert", shelf, new, "--vectors", "two.npy")
    wide = run("insert", shelf, new, "--vectors", "wide.npy")
    fitting = run("insert", shelf, new, "--vectors", "three.npy", "--json")

    assert "new items need vectors too" in without.err
    assert "two.npy has 2 vectors, the change 3 items" in few.err
    assert "5 dimensions, those of shelf.tree 3" in wide.err
    assert 3 == fitting.json["inserted"]


def test_a_terminal_sees_how_far_it_is(shop, tmp_path):
    """On a terminal the result stands alone in the end."""
    write(tmp_path / "new.jsonl", NEW)
    shown = on_terminal(80, "insert", shop, "new.jsonl")

    assert "330 items now" in shown
