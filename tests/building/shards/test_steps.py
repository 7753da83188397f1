import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import trees
from tests.building.test_pipeline import stored
from unillmrec.building import BuildOptions, build
from unillmrec.building.backends import Local
from unillmrec.building.given_vectors import VectorFile
from unillmrec.building.shards import slicing
from unillmrec.building.shards import steps as sharding
from unillmrec.building.shards.cells import gather_cells, grow_top
from unillmrec.building.shards.merging import nth_of_all
from unillmrec.building.shards.run import build_in_shards
from unillmrec.building.shards.sampled_terms import TermWeigher, learn_vocabulary
from unillmrec.building.shards.slicing import Sharding
from unillmrec.errors import StoreError, TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, ItemTree
from unillmrec.store.invariants import breaches
from unillmrec.tree.growing import Bounds
from unillmrec.tree.terms import TermCounter

SMALL = {"sample": 150, "shard": 70, "cell": 40}


class Counting(Local):
    """Runs everything here, and remembers what; stops after *most* pieces."""

    def __init__(self, most=math.inf):
        self.ran = []
        self.most = most

    def run(self, step, work, numbers, told):
        for number in numbers:
            if len(self.ran) >= self.most:
                raise TreeError("stopped")
            self.ran.append((step, number))
            super().run(step, work, [number], told)


def options(**given):
    return BuildOptions(bounds=trees.NARROW, **given)


def build_small(path, catalog=None, work=None, engine="local", **given):
    made = Sharding(work, engine, **(SMALL | given.pop("cut", {})))
    catalog = trees.items() if catalog is None else catalog
    return build_in_shards(catalog, path, options(**given), made)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    """A tree and its finished work folder."""
    folder = tmp_path_factory.mktemp("built-once")
    build_small(folder / "one.tree", work=folder / "w")
    return folder


@pytest.fixture
def finished(built_once, tmp_path):
    """A copy of them, `one.tree` and `w`, in the working directory."""
    shutil.copytree(built_once, tmp_path, dirs_exist_ok=True)


def odd_items(count):
    """Items that have next to nothing in common with one another, or all of it."""
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
    """Whatever the items are like: no breach, no over-full node, no tiny leaf in a large tree."""
    report = build_small("t.tree", catalog)

    with ItemTree.open("t.tree") as tree:
        assert [] == list(breaches(tree))
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


def test_items_columns_and_facts_are_those_of_the_build_in_memory():
    """Only the tree over the items may differ, and it hardly does."""
    build(trees.items(), "memory.tree", options(popularity="readers", workers=1))
    build_small("shards.tree", popularity="readers", cut={"sample": 300})

    memory, shards = stored("memory.tree"), stored("shards.tree")
    for table in ("attribute", "attribute_text"):
        assert memory[table] == shards[table]
    without_leaf = [[row[:7] + row[8:] for row in each["item"]] for each in (memory, shards)]
    assert without_leaf[0] == without_leaf[1]
    # The columns of attributes are the same; the first column says in which leaf an item is.
    blocks = [[row for row in each["attribute_block"] if row[0] >> 32] for each in (memory, shards)]
    assert blocks[0] == blocks[1]
    facts = [{name for name, _ in each["fact"]} for each in (memory, shards)]
    assert facts[0] == facts[1]
    assert {row[1:] for row in memory["term"]} == {row[1:] for row in shards["term"]}


def test_one_cell_gives_the_tree_of_the_build_in_memory():
    """With all items in the sample and in one cell, both builds make the same file."""
    build(trees.items(), "memory.tree", options(workers=1, popularity="readers"))
    build_small("shards.tree", cut={"sample": 300, "cell": 300}, popularity="readers")

    assert stored("memory.tree") == stored("shards.tree")


def test_what_nodes_say_holds_for_what_is_in_them():
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


def test_the_children_of_a_node_say_what_sets_them_apart():
    """Also where a cell's top was taken away and its children hang under the top of the tree."""
    build_small("t.tree")

    with ItemTree.open("t.tree") as tree:
        for child in tree.children(ROOT):
            assert child.description.words
            assert child.description.titles


def test_a_build_goes_on_where_it_was_stopped(tmp_path):
    """Whatever is finished is not done again, and the file is the same in the end."""
    whole = Counting()
    build_small("whole.tree", work=tmp_path / "whole", engine=whole)
    pieces = len(whole.ran)

    for most in (0, 4, pieces - 2):
        work = tmp_path / f"stopped-{most}"
        first, second = Counting(most), Counting()
        with pytest.raises(TreeError, match="stopped"):
            build_small(f"{most}.tree", work=work, engine=first)
        assert not Path(f"{most}.tree").exists()
        build_small(f"{most}.tree", work=work, engine=second)
        assert whole.ran == first.ran + second.ran
        assert Path("whole.tree").read_bytes() == Path(f"{most}.tree").read_bytes()


def test_a_finished_work_folder_gives_the_tree_again(finished, tmp_path):
    """Nothing but the file is made anew."""
    build_small("two.tree", work=tmp_path / "w", engine=Counting(0))

    assert Path("one.tree").read_bytes() == Path("two.tree").read_bytes()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 1}, "there seed is 0, here 1"),
        ({"popularity": "readers"}, "there popularity is None, here 'readers'"),
        ({"cut": {"cell": 41}}, "there cell is 40, here 41"),
        ({"catalog": trees.items(299)}, "there are 300 items, here 299"),
        ({"catalog": trees.items(301)}, "its items 280 to 301 differ"),
        ({"catalog": [Item("x", "Else"), *trees.items()[1:]]}, "its items 0 to 70 differ"),
    ],
)
def test_a_work_folder_of_another_build_is_refused(finished, tmp_path, change, told):
    """Another catalog or other options never meet what was made before."""
    if change.get("catalog") and len(change["catalog"]) == 299:
        # The last slice is missing as a whole: only the count tells.
        change = {"catalog": trees.items()[:280]}
        told = "there are 300 items, here 280"

    with pytest.raises(TreeError) as caught:
        build_small("two.tree", work=tmp_path / "w", **change)

    assert told in caught.value.problem
    assert not Path("two.tree").exists()


def test_what_needs_the_whole_catalog_at_once_is_refused():
    """In words, before anything is read."""
    np.save("given.npy", np.eye(3, dtype=np.float32))

    for told, asked in {
        "given vectors": options(given=VectorFile(Path("given.npy"))),
        "a tree of paths": options(tree="paths"),
    }.items():
        with pytest.raises(TreeError, match=f"{told} cannot be built in shards"):
            build_in_shards(iter([]), "t.tree", asked)


def test_an_empty_catalog_is_no_tree():
    """Nothing is written, and nothing is left behind."""
    with pytest.raises(TreeError, match="the catalog has no items"):
        build_small("t.tree", [])

    assert [] == os.listdir()


def test_a_popularity_that_counts_nothing_is_said():
    """As in a build in memory."""
    with pytest.raises(TreeError, match="no item has a positive number in the attribute 'sold'"):
        build_small("t.tree", popularity="sold")


def test_a_work_folder_that_cannot_be_made_is_said():
    """With what to do about it."""
    Path("file").write_text("")

    with pytest.raises(StoreError, match="the work folder file cannot be used"):
        build_small("t.tree", work=Path("file"))


def test_a_damaged_marker_is_said(finished, tmp_path):
    """Not taken for something else."""
    (tmp_path / "w" / "shard-00001.done").write_text("{")

    with pytest.raises(StoreError, match=r"shard-00001 is damaged"):
        build_small("two.tree", work=tmp_path / "w")


def test_a_vanished_file_is_said(finished, tmp_path):
    """A folder of which somebody removed half."""
    (tmp_path / "w" / "top.done").unlink()

    with pytest.raises(StoreError, match="has no finished 'top'"):
        sharding.read_top(tmp_path / "w")


def test_an_existing_tree_is_refused_before_anything_is_done(tmp_path):
    """Not after hours of work."""
    Path("t.tree").write_text("mine")

    with pytest.raises(StoreError, match="exists already"):
        build_small("t.tree", work=tmp_path / "w")

    assert not (tmp_path / "w").exists()


def test_the_work_folder_holds_whole_files_only(tmp_path):
    """Nothing half-written is left when a step fails."""
    build_small("one.tree", work=tmp_path / "w")

    assert [] == [name for name in os.listdir(tmp_path / "w") if name.startswith(".")]
    assert ["one.tree", "w"] == sorted(os.listdir())


def test_the_sample_is_drawn_from_everywhere(finished, tmp_path):
    """Every item has the same chance, and the same seed draws the same ones."""

    lines = (tmp_path / "w" / "sample.jsonl").read_bytes().splitlines()
    numbers = [int(json.loads(line)[0].removeprefix("item-")) for line in lines]
    assert SMALL["sample"] == len(numbers)
    assert sorted(numbers) == numbers
    assert 110 < np.mean(numbers) < 190


def test_words_are_weighed_as_in_memory():
    """With everything in the sample, rows and words are those of the whole catalog."""
    for catalog in (trees.items(), [Item(str(n), f"Title {n % 40}") for n in range(90)]):
        counter = TermCounter()
        for item in catalog:
            counter.add(item)
        expected, expected_rows = counter.finish()
        vocabulary = learn_vocabulary(catalog, len(catalog))
        rows = TermWeigher(vocabulary, len(catalog)).rows(catalog)

        assert dict(expected.counts()) == dict(vocabulary.counts())
        assert expected.with_ngrams == vocabulary.with_ngrams
        order = [vocabulary.terms.index(term) for term in expected.terms]
        assert expected_rows.toarray() == pytest.approx(rows.toarray()[:, order], abs=1e-5)


def test_what_a_sample_saw_once_is_kept():
    """In the whole catalog it is likely to be used again."""
    catalog = [Item(str(n), f"shared word{n}", "shared") for n in range(20)]

    assert 21 == len(learn_vocabulary(catalog, 10_000).terms)
    assert {500, 10_000} == set(learn_vocabulary(catalog, 10_000).used_by.tolist())


def test_cells_that_nothing_came_to_are_joined_with_like_ones():
    """What is left is large enough, and every cell is in exactly one group."""
    rows = TermWeigher(learn_vocabulary(trees.items(), 300), 300).rows(trees.items())
    top = grow_top(rows, trees.NARROW, 0, 20)
    cells = [node for node, family in enumerate(top.children()) if not family]
    chance = random.Random(4)
    for _ in range(20):
        sizes = [
            chance.choice([0, 0, 1, 5, 400]) if n in cells else 0 for n in range(len(top.parents))
        ]
        part = gather_cells(top, sizes, 8)
        groups = part.groups()

        assert sorted(cells) == sorted(cell for group in groups for cell in group.cells)
        assert [sum(sizes[cell] for cell in group.cells) for group in groups] == [
            group.size for group in groups
        ]
        assert len(groups) == 1 or min(group.size for group in groups) >= 8


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, width=64), max_size=6), min_size=1, max_size=4
    ).filter(any)
)
def test_a_place_is_found_among_sorted_parts(parts):
    """As if all were joined and sorted."""
    arrays = [np.sort(np.array(part, np.float64)) for part in parts]
    joined = np.sort(np.concatenate(arrays))

    for place in range(len(joined)):
        assert joined[place] == nth_of_all(arrays, place)


def test_odd_values_of_attributes_come_through():
    """Tags, truths, huge and infinite numbers, and texts of all scripts are kept as they are."""
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


def test_a_repeated_id_is_an_error():
    """As in a build in memory, also where the two are shards apart."""
    with pytest.raises(StoreError, match="'item-003' is used more than once"):
        build_small("t.tree", [*trees.items(), trees.items()[3]])

    assert not Path("t.tree").exists()


BUILD = """
import sys
from pathlib import Path
from tests import trees
from tests.building.shards.test_steps import build_small
print("ready", flush=True)
build_small("shop.tree", work=Path("w"))
"""


@pytest.mark.parametrize("seconds", [0.1])
def test_a_killed_build_can_be_gone_on_with(built_once, seconds, tmp_path):
    """At whatever moment it dies, the next one makes the file that an unbroken one makes."""
    home = str(Path(__file__).parents[2])
    environment = os.environ | {"PYTHONPATH": home}
    command = [sys.executable, "-c", BUILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert b"ready\n" == process.stdout.readline()
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)

    build_small("next.tree", work=tmp_path / "w")

    assert (built_once / "one.tree").read_bytes() == Path("next.tree").read_bytes()


def test_bounds_other_than_the_usual_are_kept():
    """A narrow tree of many levels is stitched as well."""
    bounds = Bounds(fan_out=2, most_children=4, root_children=32, leaf_target=3, leaf_capacity=5)

    build_in_shards(
        trees.items(), "t.tree", BuildOptions(bounds=bounds), Sharding(None, "local", **SMALL)
    )

    with ItemTree.open("t.tree") as tree:
        assert [] == list(breaches(tree))


def test_the_number_of_reports_goes_up():
    """Progress is told phase by phase, and each phase ends."""
    told = []
    build_in_shards(
        trees.items(),
        "t.tree",
        options(),
        Sharding(None, "local", **SMALL),
        lambda phase, done, total: told.append((phase, done, total)),
    )

    assert ["reading", "sampling", "sharding", "clustering", "describing", "writing"] == list(
        dict.fromkeys(phase for phase, _, _ in told)
    )
    assert ("sharding", 5, 5) in told
    assert ("writing", 300, 300) == told[-1]
    assert slicing.SAMPLE == 65_536
