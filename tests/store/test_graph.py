import networkx

from tests import trees
from unillmrec.store.graph import to_networkx


def test_the_graph_is_the_tree(tmp_path):
    """Every node occurs once, with its size, and every edge leads from parent to child."""
    with trees.tree(tmp_path) as tree:
        graph = to_networkx(tree)
        nodes = {number: tree.node(number) for number in graph.nodes}

    assert networkx.is_arborescence(graph)
    assert {(each.parent, number) for number, each in nodes.items() if each.parent} == set(
        graph.edges
    )
    assert all(graph.nodes[n]["size"] == each.size for n, each in nodes.items())
    leaves = [n for n, attributes in graph.nodes(data=True) if attributes["leaf"]]
    assert 300 == sum(graph.nodes[n]["size"] for n in leaves)
    assert "words.tree" == graph.nodes[1]["label"]


def test_a_part_can_be_exported(tmp_path):
    """*root* and *depth* limit what is exported."""
    with trees.tree(tmp_path) as tree:
        top = to_networkx(tree, depth=1)
        branch = tree.children(1)[0]
        below = to_networkx(tree, root=branch.id)
        children = {child.id for child in tree.children(branch.id)}

    assert {0, 1} == {attributes["depth"] for _, attributes in top.nodes(data=True)}
    assert children == set(below.successors(branch.id))
    assert 1 not in below
