"""Print trees, nodes and found items, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.text import Text
from rich.tree import Tree

from unillmrec.cli.shared.output import (
    Page,
    facts_table,
    format_bytes,
    format_count,
    format_shape,
    grid,
    indented,
    printable,
    show_json,
)
from unillmrec.cli.tree.export import TreeExport
from unillmrec.store import ROOT, ItemTree, Node, PlacedItem
from unillmrec.store.survey import TreeShape, find_items, measure_shape

# An overview of a tree has no more lines than this.
SCREEN = 48


def show_tree(tree: ItemTree, depth: int | None, *, as_json: bool) -> None:
    """Print the facts of a tree and its top levels."""
    shape = measure_shape(tree)
    root = tree.node(ROOT)
    levels = list(_levels(tree, root, depth))
    if as_json:
        nodes = [node_as_dict(node) for level in levels for node in level]
        show_json({**facts_as_dict(tree, shape), "nodes": nodes})
        return
    page = Page()
    page.show(Text(tree.path.name, style="bold"), facts_table(_facts(tree, shape)))
    page.blank()
    _show_levels(page, levels)
    if shape.depth >= len(levels):
        page.blank()
        hint = f"--depth {len(levels)} shows one more level, --node ID what a node holds."
        page.show(Text(hint, style="dim"))


def _levels(tree: ItemTree, root: Node, depth: int | None) -> Iterator[list[Node]]:
    """Yield the nodes of each level: *depth* levels below the root, or what fits on a screen."""
    level, lines = [root], 0
    while level:
        yield level
        below = [child for node in level if not node.is_leaf for child in tree.children(node.id)]
        lines += len(below)
        if depth is None and level[0].id != ROOT and lines > SCREEN:
            return
        if depth is not None and below and below[0].depth > depth:
            return
        level = below


def _show_levels(page: Page, levels: list[list[Node]]) -> None:
    drawn = {node.id: Tree(node_line(page, node), guide_style="dim") for node in levels[0]}
    top = drawn[levels[0][0].id]
    for level in levels[1:]:
        for node in level:
            assert node.parent is not None
            drawn[node.id] = drawn[node.parent].add(node_line(page, node))
    page.show(top)


def node_line(page: Page, node: Node) -> Text:
    """Format a node in one line: id, keywords, size, ranges and typical titles."""
    description = node.description
    line = Text(overflow="ellipsis", no_wrap=page.is_terminal)
    if node.id != ROOT:
        line.append(f"{node.id} ", style="dim")
    line.append(printable(description.about) or "all items", style="" if node.is_leaf else "bold")
    line.append(f" ({node.size:,})", style="cyan")
    ranges = [each.text() for each in description.ranges[:2]]
    titles = " / ".join(printable(title, 48) for title in description.titles[:2])
    if ranges:
        line.append(f"; {'; '.join(ranges)}", style="dim")
    if titles:
        line.append(f": {titles}", style="dim")
    return line


def show_node(tree: ItemTree, node_id: int, *, as_json: bool) -> None:
    """Print a node, its path from the root, and its children or items."""
    node = tree.node(node_id)
    ancestors = tree.ancestors(node_id)
    children = [] if node.is_leaf else tree.children(node_id)
    items = tree.items_in([node_id]) if node.is_leaf else []
    if as_json:
        show_json(
            {
                **node_as_dict(node),
                "path": [each.id for each in ancestors],
                "children": [node_as_dict(child) for child in children],
                "items": [{"id": each.item.id, "title": each.item.title} for each in items],
            }
        )
        return
    page = Page()
    above = " > ".join(printable(each.description.label) for each in ancestors[:-1])
    if above:
        page.show(Text(above, style="dim"))
    page.show(node_line(page, node))
    page.blank()
    for child in children:
        page.show(indented(node_line(page, child), 2))
    _show_items(page, items)


def _show_items(page: Page, items: list[PlacedItem]) -> None:
    table = grid()
    for each in items:
        table.add_row(
            Text(printable(each.item.id, 60), style="dim"), printable(each.item.title, 200)
        )
    if items:
        page.show(table)


def show_found(tree: ItemTree, text: str, limit: int, *, as_json: bool) -> None:
    """Print the items whose id or title contains *text*, with their leaves."""
    items, count = find_items(tree, text, limit)
    leaves = tree.ancestors_by_node(each.leaf for each in items)
    if as_json:
        rows = [
            {
                "id": each.item.id,
                "title": each.item.title,
                "leaf": each.leaf,
                "path": [node.id for node in leaves[each.leaf]],
                "branch": " > ".join(node.description.label for node in leaves[each.leaf]),
            }
            for each in items
        ]
        show_json({"tree": str(tree.path), "find": text, "count": count, "items": rows})
        return
    page = Page()
    for each in items:
        title = Text(printable(each.item.title, 120), style="bold")
        page.show(title.append(f"  {printable(each.item.id, 60)}", style="not bold dim"))
        path = " > ".join(printable(node.description.label) for node in leaves[each.leaf])
        page.show(indented(f"{path}  (leaf {each.leaf})"))
    if items:
        page.blank()
    matches = f"{format_count(count, 'item')} in {tree.path.name} with {printable(text, 60)!r}"
    page.show(Text(matches + (f"; the first {limit} are shown." if count > limit else ".")))


def show_export(exported: TreeExport, *, as_json: bool) -> None:
    """Print what was written, unless the graph itself went to standard output."""
    if exported.to_stdout:
        return
    if as_json:
        show_json(
            {
                "path": str(exported.path),
                "format": exported.format,
                "nodes": exported.nodes,
                "edges": exported.edges,
            }
        )
        return
    size = f"{format_count(exported.nodes, 'node')} and {format_count(exported.edges, 'edge')}"
    Page().show(Text(f"{exported.path}: {size} as {exported.format}."))


def facts_as_dict(tree: ItemTree, shape: TreeShape) -> dict[str, Any]:
    """Return the facts of a tree as a JSON object."""
    return {
        "tree": str(tree.path),
        "bytes": tree.path.stat().st_size,
        **{name: getattr(shape, name) for name in TreeShape.__slots__},
        "space": tree.facts["space"],
        "embedded_by": tree.facts.get("embedded_by"),
        "popularity": tree.facts.get("popularity"),
        "seed": tree.facts.get("seed"),
    }


def node_as_dict(node: Node) -> dict[str, Any]:
    """Return a node as a JSON object."""
    description = node.description
    return {
        "id": node.id,
        "parent": node.parent,
        "depth": node.depth,
        "leaf": node.is_leaf,
        "size": node.size,
        "label": description.label,
        "words": list(description.words),
        "titles": list(description.titles),
        "ranges": [
            {"attribute": each.attribute, "low": each.low, "high": each.high}
            for each in description.ranges
        ],
    }


def _facts(tree: ItemTree, shape: TreeShape) -> Iterator[tuple[str, str]]:
    yield "items", f"{shape.items:,}"
    yield "tree", format_shape(shape)
    given = tree.facts.get("embedded_by") or "given"
    yield "vectors", "weighted words" if tree.sparse else str(given)
    if tree.has_prior:
        yield "popularity", printable(str(tree.facts["popularity"]), 80)
    yield "file", format_bytes(tree.path.stat().st_size)
