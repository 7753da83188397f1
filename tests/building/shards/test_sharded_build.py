import json
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest

from tests import trees
from tests.building.shards.small_builds import SMALL, build_small, options
from tests.building.test_pipeline import stored
from unillmrec.building import BuildOptions, Sharding, build
from unillmrec.building.given_vectors import VectorFile
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, ItemTree
from unillmrec.store.invariants import find_breaches
from unillmrec.tree.growing import Bounds


def odd_items(count):
    """Items that have nearly nothing or everything in common."""
    chance = random.Random(count)
    return [
        Item(str(n), *chance.choice([("Same", "text"), ("", ""), (f"Title {n}", f"word{n % 7}")]))
        for n in range(count)
    ]


@pytest.mark.parametrize(
    "catalog",
    [
        [Item("a", "Alone")],
        odd_items(25),
        odd_items(400),
        [Item(str(n), "The same title") for n in range(500)],
        [Item(str(n), "") for n in range(200)],
        trees.items(),
    ],
    ids=["one", "few", "odd", "same", "empty", "topics"],
)
def test_a_tree_built_in_shards_keeps_all_bounds(catalog):
    """Whatever the items are: no invariant is broken, no node too full, no leaf tiny."""
    report = build_small("t.tree", catalog)

    with ItemTree.open("t.tree") as tree:
        assert [] == list(find_breaches(tree))
        widths = dict(
            tree.rows("SELECT parent, count(*) FROM node WHERE parent NOT NULL GROUP BY parent")
        )
        assert widths.pop(ROOT, 0) <= trees.NARROW.root_children
        assert all(width <= trees.NARROW.fan_out for width in widths.values())
        sizes = [size for (size,) in tree.rows("SELECT size FROM node WHERE leaf")]
        assert max(sizes) <= trees.NARROW.leaf_capacity
        assert min(sizes) > 1 or len(catalog) == 1
        assert (min(sizes), max(sizes), len(sizes)) == (
            report.smallest_leaf,
            report.largest_leaf,
            report.leaves,
        )
        counted = tree.rows("SELECT sum(NOT leaf), max(depth) FROM node")
        assert [(report.branches, report.depth)] == counted
        assert max(widths.values(), default=0) <= report.most_children


def test_items_columns_and_facts_equal_those_of_a_build_in_memory():
    """Only the nodes may differ."""
    build(trees.items(), "memory.tree", options(popularity="readers", workers=1))
    build_small("shards.tree", popularity="readers", cut={"sample": 300})

    memory, shards = stored("memory.tree"), stored("shards.tree")
    for table in ("attribute", "attribute_text"):
        assert memory[table] == shards[table]
    without_leaf = [[row[:7] + row[8:] for row in each["item"]] for each in (memory, shards)]
    assert without_leaf[0] == without_leaf[1]
    # The columns of attributes are equal; the first column holds the leaf of each item.
    blocks = [[row for row in each["attribute_block"] if row[0] >> 32] for each in (memory, shards)]
    assert blocks[0] == blocks[1]
    facts = [{name for name, _ in each["fact"]} for each in (memory, shards)]
    assert facts[0] == facts[1]
    assert {row[1:] for row in memory["term"]} == {row[1:] for row in shards["term"]}


def test_one_cell_gives_the_tree_of_the_build_in_memory():
    """With all items in the sample and in one cell, both builds store the same."""
    build(trees.items(), "memory.tree", options(workers=1, popularity="readers"))
    build_small("shards.tree", cut={"sample": 300, "cell": 300}, popularity="readers")

    assert stored("memory.tree") == stored("shards.tree")


def test_summaries_of_nodes_fit_their_items():
    """Spans, priors and sums of every node are those of its items, also above the cells."""
    build_small("t.tree", popularity="readers")

    with ItemTree.open("t.tree") as tree:
        parents = dict(tree.rows("SELECT id, parent FROM node"))
        held = {node: [] for node in parents}
        for number, leaf in tree.rows("SELECT number, leaf FROM item"):
            while leaf is not None:
                held[leaf].append(number)
                leaf = parents[leaf]
        rows = tree.item_matrix(range(len(tree))).toarray()
        sums = tree.node_matrix(list(held)).toarray()
        items = tree.items_by_number(range(len(tree)))
        for place, (node, numbers) in enumerate(held.items()):
            (spans, prior) = tree.rows("SELECT spans, prior FROM node WHERE id = ?", (node,))[0]
            years = sorted(items[n].item.attributes["year"] for n in numbers)
            tail = int(0.05 * len(years))
            assert [years[tail], years[-1 - tail]] == json.loads(spans)["year"]
            assert prior == pytest.approx(np.mean([items[n].prior for n in numbers]))
            assert sums[place] == pytest.approx(rows[numbers].sum(axis=0), abs=0.05)


def test_the_children_of_the_root_have_descriptions():
    """Even if they come from cells whose top nodes were flattened away."""
    build_small("t.tree")

    with ItemTree.open("t.tree") as tree:
        for child in tree.children(ROOT):
            assert child.description.words
            assert child.description.titles


def test_unusual_values_of_attributes_are_kept():
    """Tags, booleans, huge and infinite numbers, and texts in all scripts stay as they are."""
    catalog = [
        Item(
            str(n),
            f"Títle “{n}” 日本",
            attributes={"tags": ("a", "ü"), "on": n % 2 == 0, "big": 10**400, "far": math.inf},
        )
        for n in range(30)
    ]

    build_small("t.tree", catalog)

    with ItemTree.open("t.tree") as tree:
        found = tree.items_by_number(range(30))
        assert catalog == [found[n].item for n in range(30)]


def test_a_duplicate_id_is_an_error():
    """As in a build in memory, even if the two items are in different shards."""
    with pytest.raises(StoreError, match="'item-003' is used more than once"):
        build_small("t.tree", [*trees.items(), trees.items()[3]])

    assert not Path("t.tree").exists()


def test_unusual_bounds_are_kept():
    """Narrow trees of many levels can be merged too."""
    bounds = Bounds(fan_out=2, most_children=4, root_children=32, leaf_target=3, leaf_capacity=5)

    sharding = Sharding(None, "local", **SMALL)
    build(trees.items(), "t.tree", BuildOptions(bounds=bounds), sharding=sharding)

    with ItemTree.open("t.tree") as tree:
        assert [] == list(find_breaches(tree))


def test_progress_is_reported_for_each_phase():
    """Every phase is reported in turn, up to its end."""
    reports = []
    build(
        trees.items(),
        "t.tree",
        options(),
        lambda phase, done, total: reports.append((phase, done, total)),
        sharding=Sharding(None, "local", **SMALL),
    )

    assert ["reading", "sampling", "sharding", "clustering", "describing", "writing"] == list(
        dict.fromkeys(phase for phase, _, _ in reports)
    )
    assert ("sharding", 5, 5) in reports
    assert ("writing", 300, 300) == reports[-1]
    assert 65_536 == Sharding().sample


def test_options_that_need_the_whole_catalog_are_refused():
    """The error names them, before anything is read."""
    np.save("given.npy", np.eye(3, dtype=np.float32))

    for feature, unsupported in {
        "given vectors": options(given=VectorFile(Path("given.npy"))),
        "a tree of paths": options(tree="paths"),
    }.items():
        with pytest.raises(TreeError, match=f"{feature} cannot be built in shards"):
            build(iter([]), "t.tree", unsupported, sharding=Sharding())


def test_an_empty_catalog_is_refused():
    """Nothing is written and no folder is left."""
    with pytest.raises(TreeError, match="the catalog has no items"):
        build_small("t.tree", [])

    assert [] == os.listdir()


def test_a_popularity_without_counts_is_refused():
    """As in a build in memory."""
    with pytest.raises(TreeError, match="no item has a positive number in the attribute 'sold'"):
        build_small("t.tree", popularity="sold")


def test_an_existing_tree_is_refused_before_anything_is_done(tmp_path):
    """The error comes before hours of work."""
    Path("t.tree").write_text("mine")

    with pytest.raises(StoreError, match="exists already"):
        build_small("t.tree", work=tmp_path / "w")

    assert not (tmp_path / "w").exists()
