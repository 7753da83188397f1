"""The read cache: what it holds, and when it is cleared."""

from tests import trees
from unillmrec import ItemTree
from unillmrec.store.read_cache import ReadCache
from unillmrec.updating.changer import TreeChanger


def squares(calls):
    def read(keys):
        calls.append(list(keys))
        return {key: key * key for key in keys}

    return read


def test_only_missing_values_are_read():
    """The result has the order of the keys, wherever each value comes from."""
    cache, calls = ReadCache(), []

    first = cache.get("squares", [3, 1], squares(calls), version=1, limit=9)
    second = cache.get("squares", [2, 3, 1], squares(calls), version=1, limit=9)

    assert ([9, 1], [4, 9, 1]) == (first, second)
    assert [[3, 1], [2]] == calls


def test_the_cache_has_a_limit():
    """Values beyond the limit are read each time; the others stay."""
    cache, calls = ReadCache(), []
    for _ in range(2):
        assert [1, 4, 9] == cache.get("squares", [1, 2, 3], squares(calls), version=1, limit=2)

    assert [[1, 2, 3], [3]] == calls


def test_a_change_clears_the_cache():
    """Values of every kind are dropped."""
    cache, calls = ReadCache(), []
    cache.get("squares", [2], squares(calls), version=1, limit=9)
    cache.get("others", [2], squares([]), version=2, limit=9)

    cache.get("squares", [2], squares(calls), version=2, limit=9)

    assert [[2], [2]] == calls


def test_an_open_tree_sees_changes_by_others(tmp_path):
    """Nodes and items that were read before are read again."""
    with trees.tree(tmp_path) as tree:
        leaf = next(
            node for (node,) in tree.rows("SELECT id FROM node WHERE leaf = 1 ORDER BY size DESC")
        )
        before = tree.item_numbers_in([leaf])
        removed = tree.items_by_number(before)[before[0]].item.id

        with TreeChanger(tree.path) as changer:
            changer.delete([removed])

        with ItemTree.open(tree.path) as fresh:
            assert before != fresh.item_numbers_in([leaf])
            assert fresh.item_numbers_in([leaf]) == tree.item_numbers_in([leaf])
            assert [node.size for node in fresh.children(1)] == [
                node.size for node in tree.children(1)
            ]


def test_cached_values_are_not_read_from_the_file(tmp_path, monkeypatch):
    """A second walk over the same branch only checks whether the file changed."""
    with trees.tree(tmp_path) as tree:
        children = tree.children(1)
        queries = []
        rows = tree.rows
        monkeypatch.setattr(tree, "rows", lambda *query: queries.append(query[0]) or rows(*query))

        assert children == tree.children(1)
        assert ["PRAGMA data_version"] == queries
