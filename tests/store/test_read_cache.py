"""What a reader keeps of a file, and when it lets go of it."""

from tests import trees
from unillmrec import ItemTree
from unillmrec.store.read_cache import ReadCache
from unillmrec.updating.changer import TreeChanger


def squares(asked):
    def read(keys):
        asked.append(list(keys))
        return {key: key * key for key in keys}

    return read


def test_only_what_is_not_kept_is_read():
    """The answer is in the order asked for, wherever each part comes from."""
    kept, asked = ReadCache(), []

    first = kept.of("squares", [3, 1], squares(asked), version=1, most=9)
    second = kept.of("squares", [2, 3, 1], squares(asked), version=1, most=9)

    assert ([9, 1], [4, 9, 1]) == (first, second)
    assert [[3, 1], [2]] == asked


def test_no_more_than_so_many_are_kept():
    """What finds no room is read each time, and what has room stays."""
    kept, asked = ReadCache(), []
    for _ in range(2):
        assert [1, 4, 9] == kept.of("squares", [1, 2, 3], squares(asked), version=1, most=2)

    assert [[1, 2, 3], [3]] == asked


def test_a_change_makes_all_forgotten():
    """Of every kind."""
    kept, asked = ReadCache(), []
    kept.of("squares", [2], squares(asked), version=1, most=9)
    kept.of("others", [2], squares([]), version=2, most=9)

    kept.of("squares", [2], squares(asked), version=2, most=9)

    assert [[2], [2]] == asked


def test_an_open_tree_sees_what_others_change(tmp_path):
    """What was read before of the same nodes and items is read anew."""
    with trees.tree(tmp_path) as tree:
        leaf = next(node for (node,) in tree.rows("SELECT id FROM node WHERE leaf = 1"))
        before = tree.item_numbers_in([leaf])
        gone = tree.items_by_number(before)[before[0]].item.id

        with TreeChanger(tree.path) as changer:
            changer.delete([gone])

        with ItemTree.open(tree.path) as fresh:
            assert before != fresh.item_numbers_in([leaf])
            assert fresh.item_numbers_in([leaf]) == tree.item_numbers_in([leaf])
            assert [node.size for node in fresh.children(1)] == [
                node.size for node in tree.children(1)
            ]


def test_what_is_kept_is_read_without_the_file(tmp_path, monkeypatch):
    """A second walk over the same branch asks only whether anything changed."""
    with trees.tree(tmp_path) as tree:
        children = tree.children(1)
        asked = []
        rows = tree.rows
        monkeypatch.setattr(tree, "rows", lambda *query: asked.append(query[0]) or rows(*query))

        assert children == tree.children(1)
        assert ["PRAGMA data_version"] == asked
