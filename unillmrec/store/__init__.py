"""The SQLite file of a tree: its layout, writing it whole, reading it piece by piece."""

from unillmrec.store.editing import EditableTree, NodeGain, NodeState
from unillmrec.store.files import Staging
from unillmrec.store.item_tree import ROOT, STALE_SHARE, ItemTree, Node, PlacedItem
from unillmrec.store.writing import NodeRow, TreeWriter, item_row

__all__ = [
    "ROOT",
    "STALE_SHARE",
    "EditableTree",
    "ItemTree",
    "Node",
    "NodeGain",
    "NodeRow",
    "NodeState",
    "PlacedItem",
    "Staging",
    "TreeWriter",
    "item_row",
]
