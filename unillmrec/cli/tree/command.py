"""`unillmrec tree`: what is in a tree."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from unillmrec.cli.shared import options as shared

EXAMPLES = """\
unillmrec tree films.tree
unillmrec tree films.tree --find "blade runner"
unillmrec tree films.tree --node 12
unillmrec tree films.tree --export dot films.dot --depth 2
"""

FIELDS = (
    ("tree, bytes", "the file"),
    ("items, leaves, branches, depth", "how much is in it, and how deep"),
    ("smallest_leaf, largest_leaf", "in items"),
    ("most_children", "of one node"),
    ("space, embedded_by", "what the vectors are made of"),
    ("popularity, seed", "what the build was told"),
    ("nodes", "a list of id, parent, depth, leaf, size, label, words, titles, ranges"),
    ("with --node", "the fields of a node; path, children, items"),
    ("with --find", "tree, find, count; items: id, title, leaf, path, branch"),
    ("with --export", "path, format, nodes, edges"),
)

Depth: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--depth",
        help="How many levels are shown or exported. Default: as many as fit a screen; "
        "all when exporting.",
        metavar="N",
        min=0,
    ),
]
NodeId: TypeAlias = Annotated[
    int | None,
    typer.Option("--node", help="Show this node, and what is in it.", metavar="ID"),
]
Find: TypeAlias = Annotated[
    str | None,
    typer.Option("--find", help="Show items whose id or title contains this.", metavar="TEXT"),
]
Limit: TypeAlias = Annotated[
    int, typer.Option("--limit", help="How many found items are shown.", metavar="N", min=1)
]
Export: TypeAlias = Annotated[
    tuple[str, Path] | None,
    typer.Option(
        "--export",
        help="Write the nodes as a graph in one of the formats graphml, dot and json; "
        "- is standard output.",
        metavar="FORMAT OUT",
    ),
]
Overwrite: TypeAlias = Annotated[
    bool, typer.Option("--overwrite", help="Replace an exported file that is there already.")
]


def tree(
    tree: shared.TreeFile,
    depth: Depth = None,
    node: NodeId = None,
    find: Find = None,
    limit: Limit = 20,
    export: Export = None,
    overwrite: Overwrite = False,
    json: shared.Json = False,
) -> None:
    """Show a tree: its facts and its top, one node, or where items are.

    A line is what a judge reads of a node: the words that set it apart from its siblings,
    how many items it has, value ranges, and typical titles.
    """
    from unillmrec.cli.tree import show as shown
    from unillmrec.cli.tree.export import export_tree
    from unillmrec.store import ItemTree

    if sum(each is not None for each in (node, find, export)) > 1 and not (node and export):
        raise typer.TyperException("--node, --find and --export are different views; give one.")
    with ItemTree.open(tree) as opened:
        if export:
            shown.show_export(export_tree(opened, export, node, depth, overwrite), as_json=json)
        elif find is not None:
            shown.show_found(opened, find, limit, as_json=json)
        elif node is not None:
            shown.show_node(opened, node, as_json=json)
        else:
            shown.show_tree(opened, depth, as_json=json)
