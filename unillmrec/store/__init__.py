"""The SQLite file that holds a tree: write it, read it piece by piece, change it."""

from unillmrec.store.editing.editable_tree import EditableTree
from unillmrec.store.editing.item_edits import LeafItem
from unillmrec.store.editing.node_edits import NodeState, NodeTotals
from unillmrec.store.integrity.diagnosis import first_damage
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT, STALE_SHARE, Node, PlacedItem
from unillmrec.store.rows import NodeRow
from unillmrec.store.staging.staging import Staging
from unillmrec.store.staging.tree_writer import TreeWriter

# The check of a whole tree stands above the tree that it reads.
ItemTree.first_damage = first_damage

__all__ = [
    "ROOT",
    "STALE_SHARE",
    "EditableTree",
    "ItemTree",
    "LeafItem",
    "Node",
    "NodeRow",
    "NodeState",
    "NodeTotals",
    "PlacedItem",
    "Staging",
    "TreeWriter",
]
