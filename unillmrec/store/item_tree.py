"""Read access to the nodes, items, vectors and terms of a tree file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from difflib import get_close_matches
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from unillmrec.errors import StoreError
from unillmrec.store.decoding import (
    DECODE_ERRORS,
    LEAF_FIELD,
    MAX_DEPTH,
    SELECT_ITEMS,
    SELECT_NODES,
    damaged,
    items_of,
    nodes_of,
)
from unillmrec.store.nodes import ROOT, Node, PlacedItem
from unillmrec.store.tree_file import IN_LIST, TreeFile, sql_list

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from unillmrec.tree.sentences.sentence_vectors import TermTable
    from unillmrec.tree.vectors import Floats, Vector

# Sizes of the read cache: some tens of megabytes where vectors are weighted terms; vectors from
# outside take what their width takes.
CACHED_BRANCHES = 2_000
CACHED_STACKS = 500
CACHED_NODES = 20_000
CACHED_VECTORS = 20_000

# Each character more is one more query, and a text of a megabyte is no misspelled id.
_LONGEST_MISSPELLING = 200


class ItemTree(TreeFile):
    """The tree of a catalog: its nodes, and the leaf of each item.

    Opening the file loads nothing; a walk reads the nodes that it visits. As a context manager,
    it turns an error that comes from a damaged file into a `StoreError` that says so.
    """

    first_damage: ClassVar[Callable[[ItemTree], str]]
    """Returns what is wrong with a tree. The check reads trees itself, so it is set later."""
    _damage: str | None = None

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        try:
            self.explain(error)
        finally:
            self.close()

    def explain(self, error: BaseException | None) -> None:
        """Raise a `StoreError` if *error* may come from damage, and the file is damaged.

        Rows are checked when they are read. What no check on the way covers, such as a branch that
        lost all of its children, fails later and anywhere; then the whole file is checked.
        """
        if not isinstance(error, DECODE_ERRORS):
            return
        if self._damage is None:
            # Every row of a batch may fail; the file is checked once.
            self._damage = type(self).first_damage(self)
        if self._damage:
            raise damaged(self.path, self._damage) from error

    # Nodes

    def node(self, node_id: int) -> Node:
        """Return a node by its id.

        Raises:
            StoreError: there is no such node.
        """

        def read(_: Sequence[int]) -> dict[int, Node]:
            rows = self.rows(f"{SELECT_NODES} WHERE id = ?", (node_id,))
            if not rows and node_id == ROOT:
                raise damaged(self.path, "there is no root")
            if not rows:
                raise StoreError(
                    f"{self.path} has no node {node_id}.",
                    remedy=f"`unillmrec tree {self.path}` to see the nodes.",
                )
            (found,) = nodes_of(self.path, rows)
            return {node_id: found}

        (node,) = self.cached("node", [node_id], read, limit=CACHED_NODES)
        return node

    def children(self, node_id: int) -> list[Node]:
        """Return the children of a node in their order."""

        def read(_: Sequence[int]) -> dict[int, list[Node]]:
            rows = self.rows(f"{SELECT_NODES} WHERE parent = ? ORDER BY place", (node_id,))
            found = nodes_of(self.path, rows)
            self._check_children(node_id, found)
            return {node_id: found}

        (children,) = self.cached("children", [node_id], read, limit=CACHED_BRANCHES)
        return children

    def _check_children(self, node_id: int, children: Sequence[Node]) -> None:
        """Raise an error unless *children* are one level below their parent: no cycle is."""
        # While a tree is changed, this need not hold.
        if not self._CACHES_READS:
            return
        node = self.node(node_id)
        if any(each.depth != node.depth + 1 for each in children):
            raise damaged(self.path, f"the children of node {node_id} are not one level below it")
        if bool(children) == node.is_leaf or (children and _total(children) != node.size):
            raise damaged(self.path, f"children of node {node_id} are missing, or not its own")

    def check_leaves(self, leaf_ids: Sequence[int], filled: Set[int]) -> None:
        """Raise an error if a leaf that should hold items is not *filled*."""
        for leaf in set(leaf_ids) - filled if self._CACHES_READS else ():
            if self.node(leaf).size:
                raise damaged(self.path, f"the items of leaf {leaf} are missing")

    def ancestors(self, node_id: int) -> list[Node]:
        """Return the path from a child of the root down to *node_id* itself."""
        self.node(node_id)
        return self.ancestors_by_node([node_id])[node_id]

    def ancestors_by_node(self, node_ids: Iterable[int]) -> dict[int, list[Node]]:
        """Return the `ancestors` of several nodes, with one query for each level."""
        wanted = set(node_ids)
        nodes = self._with_ancestors(wanted)
        paths: dict[int, list[Node]] = {}
        for node_id in wanted:
            path: list[Node] = []
            at: int | None = node_id
            while at is not None and at != ROOT:
                if len(path) == MAX_DEPTH:
                    raise damaged(self.path, f"node {at} is its own ancestor")
                path.append(nodes[at])
                at = nodes[at].parent
            paths[node_id] = path[::-1]
        return paths

    def _with_ancestors(self, node_ids: set[int]) -> dict[int, Node]:
        """Return nodes and everything above them, without the root."""
        nodes: dict[int, Node] = {}
        missing = node_ids - {ROOT}
        while missing:
            rows = self.rows(f"{SELECT_NODES} WHERE id {IN_LIST}", (sql_list(sorted(missing)),))
            nodes |= {each.id: each for each in nodes_of(self.path, rows)}
            if unknown := missing - nodes.keys():
                raise damaged(self.path, f"there is no node {min(unknown)}, which others refer to")
            parents = {nodes[each].parent for each in missing}
            missing = {each for each in parents if each is not None} - nodes.keys() - {ROOT}
        return nodes

    def node_vectors(self, node_ids: Sequence[int]) -> list[Vector]:
        """Return the vector sums of nodes, in the order of *node_ids*."""
        return self._vectors("node_sum", "node", node_ids, precise=True)

    def node_similarities(self, query: Vector, node_ids: Sequence[int]) -> Floats:
        """Return the cosine of *query* with the vector sums of nodes, in their order."""
        from unillmrec.tree.vectors import StackedVectors

        key = tuple(node_ids)

        def read(_: Sequence[tuple[int, ...]]) -> dict[tuple[int, ...], StackedVectors]:
            return {key: StackedVectors.of(self.node_vectors(key))}

        (stacked,) = self.cached("node vectors", [key], read, limit=CACHED_STACKS)
        return stacked.similarities(query)

    def node_matrix(self, node_ids: Sequence[int]) -> csr_matrix | Floats:
        """Return the vector sums of nodes as the rows of a matrix, in their order."""
        return self._matrix("node_sum", "node", node_ids, precise=True)

    # Items

    def items_in(self, leaf_ids: Sequence[int]) -> list[PlacedItem]:
        """Return the items of leaves, in the order of *leaf_ids* and then by number."""
        rows = self.rows(f"{SELECT_ITEMS} WHERE leaf {IN_LIST}", (sql_list(leaf_ids),))
        self.check_leaves(leaf_ids, {row[LEAF_FIELD] for row in rows})
        order = {leaf: place for place, leaf in enumerate(leaf_ids)}
        return sorted(items_of(self.path, rows), key=lambda each: (order[each.leaf], each.number))

    def item_numbers_in(self, leaf_ids: Sequence[int]) -> list[int]:
        """Return the numbers of the items of leaves, in the order of *leaf_ids*."""

        def read(leaves: Sequence[int]) -> dict[int, list[int]]:
            # With ORDER BY, SQLite would scan all items rather than sort those of a few leaves.
            query = f"SELECT leaf, number FROM item WHERE leaf {IN_LIST}"
            numbers: dict[int, list[int]] = {leaf: [] for leaf in leaves}
            for leaf, number in self.rows(query, (sql_list(leaves),)):
                numbers[leaf].append(number)
            self.check_leaves(leaves, {leaf for leaf, each in numbers.items() if each})
            return {leaf: sorted(each) for leaf, each in numbers.items()}

        parts = self.cached("numbers", leaf_ids, read, limit=CACHED_BRANCHES)
        return [number for numbers in parts for number in numbers]

    def items_by_number(self, numbers: Sequence[int]) -> dict[int, PlacedItem]:
        """Return items by their numbers; unknown numbers are left out."""
        rows = self.rows(f"{SELECT_ITEMS} WHERE number {IN_LIST}", (sql_list(numbers),))
        return {each.number: each for each in items_of(self.path, rows)}

    def items_by_id(self, ids: Iterable[str]) -> dict[str, PlacedItem]:
        """Return items by their ids; unknown ids are left out."""
        rows = self._rows_by_id(SELECT_ITEMS, ids)
        return {each.item.id: each for each in items_of(self.path, rows)}

    def locate(self, ids: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Return the number and the leaf of items by their ids; unknown ids are left out."""
        rows = self._rows_by_id("SELECT id AS item_id, number, leaf FROM item", ids)
        return {item_id: (number, leaf) for item_id, number, leaf in rows}

    def _rows_by_id(self, select: str, ids: Iterable[str]) -> list[tuple[Any, ...]]:
        # SQLite ends a JSON text at a NUL character, so ids with one are looked up by themselves.
        wanted = list(ids)
        odd = [each for each in wanted if "\0" in each]
        plain = [each for each in wanted if "\0" not in each]
        rows = self.rows(f"{select} WHERE id {IN_LIST}", (sql_list(plain),))
        return rows + [row for each in odd for row in self.rows(f"{select} WHERE id = ?", (each,))]

    def titles(self, numbers: Sequence[int]) -> dict[int, str]:
        """Return the titles of items by their numbers."""
        query = f"SELECT number, title FROM item WHERE number {IN_LIST}"
        return dict(self.rows(query, (sql_list(numbers),)))

    def nearest_id(self, item_id: str) -> str | None:
        """Return the id in the catalog that *item_id* may be a misspelling of."""
        # Bytes of the command line that are not UTF-8 arrive as halves of surrogate pairs.
        item_id = item_id[:_LONGEST_MISSPELLING].encode(errors="replace").decode()
        for length in range(len(item_id), 0, -1):
            start = item_id[:length]
            rows = self.rows(
                "SELECT id FROM item WHERE id >= ? AND id < ? ORDER BY id LIMIT 200",
                (start, start + "\U0010ffff"),
            )
            if rows:
                near = get_close_matches(item_id, [str(row[0]) for row in rows], 1, 0.5)
                return near[0] if near else None
        return None

    def item_vectors(self, numbers: Sequence[int]) -> list[Vector]:
        """Return the vectors of items, in the order of *numbers*."""
        return self._vectors("item_vector", "item", numbers)

    def item_similarities(self, query: Vector, numbers: Sequence[int]) -> Floats:
        """Return the cosine of *query* with the vectors of items, in their order."""
        from unillmrec.tree.vectors import packed_similarities

        packed = self._packed("item_vector", "item", numbers)
        return packed_similarities(query, packed, sparse=self.sparse)

    def item_matrix(self, numbers: Sequence[int]) -> csr_matrix | Floats:
        """Return the vectors of items as the rows of a matrix, in the order of *numbers*."""
        return self._matrix("item_vector", "item", numbers)

    def _matrix(
        self, table: str, key: str, wanted: Sequence[int], *, precise: bool = False
    ) -> csr_matrix | Floats:
        import numpy as np

        from unillmrec.tree.vectors import unpacked_rows

        packed = self._packed(table, key, wanted, precise=precise)
        width = int(self.facts["next_term"])
        rows = unpacked_rows(packed, width, sparse=self.sparse, precise=precise)
        if not isinstance(rows, np.ndarray):
            # Another process may have added terms since the facts were read.
            rows.resize((len(packed), max(width, int(rows.indices.max(initial=-1)) + 1)))
        return rows

    def _packed(
        self, table: str, key: str, wanted: Sequence[int], *, precise: bool = False
    ) -> list[bytes]:
        """Return packed vectors of a table in the order of the *wanted* keys.

        Raises:
            StoreError: one of them is missing or damaged.
        """

        def read(keys: Sequence[int]) -> dict[int, bytes]:
            query = f"SELECT {key}, packed FROM {table} WHERE {key} {IN_LIST}"
            found = dict(self.rows(query, (sql_list(keys),)))
            if len(found) < len(set(keys)):
                lost = min(set(keys) - found.keys())
                raise damaged(self.path, f"{key} {lost} has no vector")
            self.check_vectors(key, found, precise=precise)
            return found

        return self.cached(table, wanted, read, limit=CACHED_VECTORS)

    def check_vectors(
        self, owner: str, packed: Mapping[int, bytes], *, precise: bool = False
    ) -> None:
        """Check packed vectors by the number of the item or node, called *owner*, they belong to.

        Raises:
            StoreError: one of them cannot be unpacked, or holds impossible weights or terms.
        """
        from unillmrec.tree.vectors import highest_id, packed_problem

        vectors = list(packed.values())
        problem = packed_problem(vectors, sparse=self.sparse, precise=precise)
        if not problem and self.sparse:
            highest = highest_id(vectors, precise=precise)
            # Another process may have added terms since the facts were read.
            if highest >= self.facts["next_term"] and highest >= self.fact_now("next_term"):
                problem = "has an impossible term"
        if problem:
            numbers = [
                number
                for number, each in packed.items()
                if packed_problem([each], sparse=self.sparse, precise=precise)
            ]
            which = f"{owner} {numbers[0]}" if numbers else f"one {owner}"
            raise damaged(self.path, f"the vector of {which} {problem}")

    def _vectors(
        self, table: str, key: str, wanted: Sequence[int], *, precise: bool = False
    ) -> list[Vector]:
        from unillmrec.tree.vectors import Vector

        packed = self._packed(table, key, wanted, precise=precise)
        return [Vector.from_bytes(each, sparse=self.sparse, precise=precise) for each in packed]

    # Terms

    def vector_of_text(self, text: str) -> Vector | None:
        """Return the vector of a text, or `None` if the vectors of the tree are not of terms."""
        if not self.sparse:
            return None
        from unillmrec.tree.sentences.query_words import content_words, variants
        from unillmrec.tree.terms import count_terms, term_vector

        words = [each for word in content_words(text) for each in variants(word)]
        known = self.known_terms(words)
        # n-grams come from the known words; only a text without any uses those of all its words.
        fields = [([word for word in words if word in known] or content_words(text), 1.0)]
        used = count_terms(iter(fields), with_ngrams=bool(self.facts["pieces"]))
        return term_vector(used, known | self.known_terms(set(used) - known.keys()))

    def vector_of_sentence(self, text: str) -> Vector | None:
        """Return the vector of a sentence by its meaning and the names in it.

        None if nothing matches, or if the vectors of the tree are not of terms.
        """
        if not self.sparse:
            return None
        from unillmrec.tree.sentences.query_words import content_words, variants

        words = [each for word in content_words(text) for each in variants(word)]
        return self._term_table().vector_of(text, self.known_terms(words))

    def _term_table(self) -> TermTable:
        from unillmrec.tree.sentences.sentence_vectors import COMPARED_TERMS, TermTable

        def read(_: Sequence[int]) -> dict[int, TermTable]:
            query = "SELECT id, term FROM term ORDER BY used_by DESC, id LIMIT ?"
            rows = self.rows(query, (COMPARED_TERMS,))
            return {0: TermTable([row[0] for row in rows], [row[1] for row in rows])}

        (table,) = self.cached("term table", [0], read, limit=1)
        return table

    def known_terms(self, terms: Iterable[str]) -> dict[str, tuple[int, float]]:
        """Return the id and the inverse document frequency of those *terms* the catalog has."""
        import numpy as np

        from unillmrec.tree.terms import term_idf

        query = f"SELECT term, id, used_by FROM term WHERE term {IN_LIST}"
        rows = self.rows(query, (sql_list(list(terms)),))
        idf = term_idf(np.array([used_by for _, _, used_by in rows]), len(self)).tolist()
        return {term: (number, each) for (term, number, _), each in zip(rows, idf, strict=True)}

    def terms_by_id(self, ids: Sequence[int]) -> dict[int, tuple[str, int]]:
        """Return terms, each with the number of items that use it, by their ids."""
        query = f"SELECT id, term, used_by FROM term WHERE id {IN_LIST}"
        rows = self.rows(query, (sql_list(ids),))
        return {term_id: (term, used_by) for term_id, term, used_by in rows}


def _total(nodes: Sequence[Node]) -> int:
    return sum(each.size for each in nodes)
