"""Export the nodes of a tree as a graph."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import typer

from unillmrec.cli.tree.request import TreeRequest
from unillmrec.errors import StoreError
from unillmrec.store import ROOT, ItemTree

FORMATS = ("graphml", "dot", "json")


@dataclass(frozen=True, slots=True)
class TreeExport:
    """The file that was written, and the size of the graph."""

    path: Path
    format: str
    nodes: int
    edges: int

    @property
    def to_stdout(self) -> bool:
        """Whether the graph went to standard output."""
        return str(self.path) == "-"


def export_tree(tree: ItemTree, request: TreeRequest) -> TreeExport:
    """Write the nodes from `--node` down to a file, or to standard output.

    Raises:
        StoreError: the file exists, or cannot be written.
    """
    from unillmrec.store.graph import graph_text, to_networkx

    assert request.export is not None
    name, path = request.export
    if name not in FORMATS:
        raise typer.TyperException(f"--export writes {', '.join(FORMATS)}, not {name!r}.")
    graph = to_networkx(tree, request.node or ROOT, request.depth)
    _write(graph_text(graph, name), path, request.overwrite)
    return TreeExport(path, name, graph.number_of_nodes(), graph.number_of_edges())


def _write(text: str, path: Path, overwrite: bool) -> None:
    if str(path) == "-":
        sys.stdout.write(text)
        return
    if path.exists() and not overwrite:
        raise StoreError(
            f"{path} exists already.", detail="Nothing was changed.", remedy="--overwrite."
        )
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise StoreError(f"{path} cannot be written: {error.strerror}.") from error
