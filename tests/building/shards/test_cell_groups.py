import random

from tests import trees
from unillmrec.building.shards.cell_groups import group_cells
from unillmrec.building.shards.sampled_terms import TermWeigher, learn_vocabulary
from unillmrec.building.shards.top_tree import grow_top


def test_cells_with_few_items_are_joined():
    """Every group is large enough, and every cell is in exactly one group."""
    rows = TermWeigher(learn_vocabulary(trees.items(), 300), 300).rows(trees.items())
    top = grow_top(rows, trees.NARROW, 0, 20)
    cells = [node for node, children in enumerate(top.children()) if not children]
    chance = random.Random(4)
    for _ in range(20):
        sizes = [
            chance.choice([0, 0, 1, 5, 400]) if n in cells else 0 for n in range(len(top.parents))
        ]
        root = group_cells(top, sizes, 8)
        groups = root.leaves()

        assert sorted(cells) == sorted(cell for group in groups for cell in group.cells)
        assert [sum(sizes[cell] for cell in group.cells) for group in groups] == [
            group.size for group in groups
        ]
        assert len(groups) == 1 or min(group.size for group in groups) >= 8
