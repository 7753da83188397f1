"""What a build made: the counts of the tree, and the seconds of each phase."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from unillmrec.store import NodeRow
from unillmrec.tree.category_paths import PathsRead


@dataclass(frozen=True, slots=True)
class BuildReport:
    """What was built, and how long each phase took in seconds.

    *paths* describes the category paths of the catalog, if the tree follows them.
    """

    path: Path
    items: int
    leaves: int
    branches: int
    depth: int
    smallest_leaf: int
    largest_leaf: int
    most_children: int
    terms: int
    seconds: dict[str, float]
    paths: PathsRead | None = None


@dataclass(slots=True)
class TreeStatistics:
    """The counts of a tree, collected while its nodes are written."""

    leaves: int = 0
    branches: int = 0
    depth: int = 0
    smallest_leaf: int = 0
    largest_leaf: int = 0
    most_children: int = 0
    _children_at: dict[int, int] = field(default_factory=dict)

    @property
    def nodes(self) -> int:
        """The number of nodes."""
        return self.leaves + self.branches

    def count(self, nodes: Iterable[NodeRow]) -> Iterator[NodeRow]:
        """Pass nodes through and count them; they must come depth first."""
        for node in nodes:
            self._add(node)
            yield node

    def _add(self, node: NodeRow) -> None:
        self.depth = max(self.depth, node.depth)
        self._children_at[node.depth] = 0
        if node.depth:
            siblings = self._children_at[node.depth - 1] + 1
            self._children_at[node.depth - 1] = siblings
            self.most_children = max(self.most_children, siblings)
        if node.leaf:
            self.smallest_leaf = min(self.smallest_leaf or node.size, node.size)
            self.largest_leaf = max(self.largest_leaf, node.size)
        self.leaves += node.leaf
        self.branches += not node.leaf
