"""The SQLite file of a tree: its layout, writing it whole, reading it piece by piece."""

from unillmrec.store.files import Staging
from unillmrec.store.item_tree import ROOT, ItemTree, Node, PlacedItem
from unillmrec.store.writing import NodeRow, TreeWriter

__all__ = ["ROOT", "ItemTree", "Node", "NodeRow", "PlacedItem", "Staging", "TreeWriter"]
