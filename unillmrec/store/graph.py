"""Export the nodes of a tree as a networkx graph, or as GraphML, JSON or Graphviz text."""

from __future__ import annotations

import json

import networkx

from unillmrec.items import one_line
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT, Node


def to_networkx(tree: ItemTree, root: int = ROOT, depth: int | None = None) -> networkx.DiGraph:
    """Return *root* and *depth* levels below it, or all of them, as a directed graph.

    Nodes have the attributes label, size, leaf and depth; edges lead from parent to child, in
    the order of the children. Items are not part of it: `ItemTree.items_in` reads them.
    """
    graph = networkx.DiGraph(name=tree.path.name)
    level = [tree.node(root)]
    _add(graph, level[0], tree)
    while level and depth != 0:
        next_level = []
        for node in level:
            children = [] if node.is_leaf else tree.children(node.id)
            for child in children:
                _add(graph, child, tree)
                graph.add_edge(node.id, child.id)
            next_level += children
        level = next_level
        depth = None if depth is None else depth - 1
    return graph


def _add(graph: networkx.DiGraph, node: Node, tree: ItemTree) -> None:
    # The root has no siblings that a label could tell it from.
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
    """Return the graph as Graphviz source."""
    lines = ["digraph {", "  rankdir=LR; node [shape=box];"]
    for node, attributes in graph.nodes(data=True):
        shape = ", style=rounded" if attributes["leaf"] else ""
        label = _quoted(f"{attributes['label']} ({attributes['size']:,})")
        lines.append(f"  {node} [label={label}{shape}];")
    lines += [f"  {parent} -> {child};" for parent, child in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _quoted(text: str) -> str:
    # Graphviz has escapes of its own that begin with a backslash, such as one for line breaks.
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
