import json
from pathlib import Path

import networkx
import pytest

from tests.cli.conftest import names_in, on_terminal
from unillmrec.cli.tree.command import FIELDS
from unillmrec.store import ItemTree


def test_shows_facts_and_the_top(run, shelf):
    """The facts, then each branch on a line: what a judge reads, with the node's number."""
    out = run("tree", shelf).out

    facts, drawing = out.split("\n\n")
    assert [
        "shelf.tree",
        "items       15",
        "tree        3 leaves of 5 items under 1 branch, 1 deep, at most 3 in a branch",
        "vectors     given",
        "popularity  readers",
    ] == facts.splitlines()[:-1]
    root, *children = drawing.splitlines()
    assert root.startswith("all items (15): ")
    assert ["├── 2", "├── 3", "└── 4"] == [line[:5] for line in children]
    assert any("sea" in line and "(5)" in line for line in children)


def test_json_has_the_fields_it_promises(run, shop):
    """The JSON is one object with the fields of the help; --depth says how many levels."""
    result = run("tree", shop, "--json", "--depth", "1").json

    assert names_in(FIELDS) == sorted(result)
    assert {0, 1} == {node["depth"] for node in result["nodes"]}
    assert 300 == sum(node["size"] for node in result["nodes"] if node["depth"] == 1)


def test_the_whole_tree_can_be_shown(run, shop):
    """With depth enough every node is there, and no hint that there is more."""
    result = run("tree", shop, "--json", "--depth", "99").json
    shown = run("tree", shop, "--depth", "99").out

    assert result["leaves"] + result["branches"] == len(result["nodes"])
    assert result["leaves"] + result["branches"] - 1 == shown.count("── ")
    assert "--depth" not in shown
    assert "--depth 2 shows one more level" in run("tree", shop, "--depth", "1").out


def test_a_tree_on_a_terminal_has_one_line_a_node(run, shop):
    """Long lines are cut on a terminal, so that the drawing stays one."""
    nodes = run("tree", shop, "--depth", "1", "--json").json["nodes"]

    shown = on_terminal(60, "tree", shop, "--depth", "1", NO_COLOR="1")
    _, drawing, _ = shown.split("\n\n")

    assert len(nodes) == len(drawing.splitlines())
    assert "…" in drawing.splitlines()[1]


def test_shows_a_branch_and_a_leaf(run, shop):
    """--node shows the children of a branch, and the items of a leaf."""
    with ItemTree.open(shop) as tree:
        branch = tree.children(1)[0]
        leaf = branch
        while not leaf.is_leaf:
            leaf = tree.children(leaf.id)[0]
        items = [each.item for each in tree.items_in([leaf.id])]

    of_branch = run("tree", shop, "--node", branch.id).out
    of_leaf = run("tree", shop, "--node", leaf.id).out
    result = run("tree", shop, "--node", leaf.id, "--json").json

    assert of_branch.splitlines()[0].startswith(f"{branch.id} ")
    assert all(f"{each.id}  {each.title}\n" in of_leaf for each in items)
    assert [each.id for each in items] == [each["id"] for each in result["items"]]
    assert [branch.id, leaf.id] == [result["path"][0], result["path"][-1]]
    assert ([], leaf.size) == (result["children"], result["size"])


def test_a_node_that_is_not_there(run, shop):
    """An unknown number is an error of three lines."""
    ended = run("tree", shop, "--node", "99999")

    assert (3, "") == (ended.code, ended.out)
    assert "has no node 99999" in ended.err


def test_finds_items(run, shop):
    """--find shows where items are whose title or id contains the text, in any case."""
    out = run("tree", shop, "--find", "LIGHTHOUSE", "--limit", "3").out
    result = run("tree", shop, "--find", "item-007", "--json").json

    assert 3 == out.count("(leaf ")
    assert " in shop.tree with 'LIGHTHOUSE'; the first 3 are shown.\n" in out
    assert (1, ["item-007"]) == (result["count"], [each["id"] for each in result["items"]])
    assert result["items"][0]["leaf"] == result["items"][0]["path"][-1]
    assert "0 items in shop.tree with 'zebra'.\n" == run("tree", shop, "--find", "zebra").out


@pytest.mark.parametrize("name", ["graphml", "dot", "json"])
def test_exports_a_graph(run, shop, name):
    """Each format is written and says how much; none is written over."""
    result = run("tree", shop, "--export", name, "out", "--json").json
    again = run("tree", shop, "--export", name, "out")

    with ItemTree.open(shop) as tree:
        nodes = int(tree.facts["next_node"]) - 1
    assert {"path": "out", "format": name, "nodes": nodes, "edges": nodes - 1} == result
    assert (3, "Error: out exists already.") == (again.code, again.err.splitlines()[0])
    assert 0 == run("tree", shop, "--export", name, "out", "--overwrite").code
    assert nodes == _count(name, Path("out"))


def _count(name, path):
    if name == "graphml":
        return networkx.read_graphml(path).number_of_nodes()
    if name == "json":
        return networkx.node_link_graph(
            json.loads(path.read_text()), edges="edges"
        ).number_of_nodes()
    return path.read_text().count("[label=")


def test_a_graph_may_go_to_stdout(run, shop):
    """- is standard output, and then nothing else is on it; --node and --depth cut a part out."""
    out = run("tree", shop, "--export", "dot", "-", "--node", "2", "--depth", "0").out

    assert ["digraph {", "}"] == [out.splitlines()[0], out.splitlines()[-1]]
    assert 1 == out.count("[label=")


def test_hostile_labels_do_not_break_a_drawing(run, tmp_path):
    """Quotes and backslashes in a title stay inside their label."""
    (tmp_path / "c.jsonl").write_text(json.dumps({"id": "a", "title": 'x"];} \\N "'}) + "\n")
    run("build", "c.jsonl", "-o", 'c"\\.tree')

    out = run("tree", 'c"\\.tree', "--export", "dot", "-").out

    assert 1 == out.count("[label=")
    assert '"c\\"\\\\.tree (1)"' in out


@pytest.mark.parametrize(
    "arguments",
    [
        ("--node", "1", "--find", "x"),
        ("--find", "x", "--export", "dot", "o"),
        ("--export", "svg", "o"),
    ],
)
def test_views_that_do_not_go_together(run, shop, arguments):
    """What contradicts itself is wrong usage."""
    ended = run("tree", shop, *arguments)

    assert (2, "") == (ended.code, ended.out)
