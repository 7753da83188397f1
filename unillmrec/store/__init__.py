"""The SQLite file of a tree: its layout, writing it whole, reading it piece by piece."""

from unillmrec.store.editable_tree import EditableTree, LeafItem, NodeState, NodeTotals
from unillmrec.store.files import Staging
from unillmrec.store.item_tree import ItemTree
from unillmrec.store.nodes import ROOT, STALE_SHARE, Node, PlacedItem
from unillmrec.store.writer import NodeRow, TreeWriter

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
