"""`unillmrec tree`: show what is in a tree."""

from __future__ import annotations

import typer

from unillmrec.cli.tree.request import TreeRequest

EXAMPLES = """\
unillmrec tree films.tree
unillmrec tree films.tree --find "blade runner"
unillmrec tree films.tree --node 12
unillmrec tree films.tree --export dot films.dot --depth 2
"""

FIELDS = (
    ("tree, bytes", "the file and its size"),
    ("items, leaves, branches, depth", "size and depth of the tree"),
    ("smallest_leaf, largest_leaf", "in items"),
    ("most_children", "the largest number of children of a branch"),
    ("space, embedded_by", "what the vectors are made of"),
    ("popularity, seed", "options of the build"),
    ("nodes", "a list of id, parent, depth, leaf, size, label, words, titles, ranges"),
    ("with --node", "the fields of a node; path, children, items"),
    ("with --find", "tree, find, count; items: id, title, leaf, path, branch"),
    ("with --export", "path, format, nodes, edges"),
)


def tree(request: TreeRequest) -> None:
    """Show a tree: its top levels, one node, or where items are.

    A line is what a judge reads about a node: the words that set it apart from its siblings, its
    number of items, value ranges, and typical titles.
    """
    from unillmrec.cli.tree import show
    from unillmrec.cli.tree.export import export_tree
    from unillmrec.store import ItemTree

    node, find, export = request.node, request.find, request.export
    if sum(each is not None for each in (node, find, export)) > 1 and not (node and export):
        raise typer.TyperException("--node, --find and --export exclude each other; give one.")
    with ItemTree.open(request.tree) as tree:
        if export:
            show.show_export(export_tree(tree, request), as_json=request.json)
        elif find is not None:
            show.show_found(tree, find, request.limit, as_json=request.json)
        elif node is not None:
            show.show_node(tree, node, as_json=request.json)
        else:
            show.show_tree(tree, request.depth, as_json=request.json)
