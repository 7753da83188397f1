"""A tree as a networkx graph: its nodes and their descriptions, without the items."""

from __future__ import annotations

import json

import networkx

from unillmrec.items import one_line
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT, Node


def to_networkx(tree: ItemTree, root: int = ROOT, depth: int | None = None) -> networkx.DiGraph:
    """Return the nodes from *root* down, at most *depth* levels of them, as a directed graph.

    A node has the attributes label, size, leaf and depth; edges lead from parent to child
    in the order of the children. Items stay in the store: `tree.items_in` reads them.
    """
    graph = networkx.DiGraph(name=tree.path.name)
    level = [tree.node(root)]
    _add(graph, level[0], tree)
    while level and depth != 0:
        below = []
        for node in level:
            children = [] if node.is_leaf else tree.children(node.id)
            for child in children:
                _add(graph, child, tree)
                graph.add_edge(node.id, child.id)
            below += children
        level = below
        depth = None if depth is None else depth - 1
    return graph


def _add(graph: networkx.DiGraph, node: Node, tree: ItemTree) -> None:
    # Nothing sets the root apart, so its words say nothing.
    label = tree.path.name if node.id == ROOT else node.description.label
    graph.add_node(
        node.id,
        label=one_line(label),
        size=node.size,
        leaf=node.is_leaf,
        depth=node.depth,
    )


def graph_text(graph: networkx.DiGraph, name: str) -> str:
    """Return a graph as text in the format called *name*: graphml, json, or dot."""
    if name == "graphml":
        return "\n".join(networkx.generate_graphml(graph)) + "\n"
    if name == "json":
        return json.dumps(networkx.node_link_data(graph, edges="edges"), ensure_ascii=False) + "\n"
    return _dot(graph)


def _dot(graph: networkx.DiGraph) -> str:
    """Return the graph in the language of Graphviz."""
    lines = ["digraph {", "  rankdir=LR; node [shape=box];"]
    for node, told in graph.nodes(data=True):
        shape = ", style=rounded" if told["leaf"] else ""
        label = _quoted(f"{told['label']} ({told['size']:,})")
        lines.append(f"  {node} [label={label}{shape}];")
    lines += [f"  {one} -> {other};" for one, other in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # A backslash begins an escape of Graphviz's own, also one that draws a line break.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
