"""Apply one batch of changes to a tree, inside a transaction that somebody else ends."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from unillmrec.errors import TreeError
from unillmrec.indexing.batches import Batch, Pair
from unillmrec.indexing.building import count_of
from unillmrec.indexing.changed_vectors import ChangedVectors
from unillmrec.indexing.following import home_leaves
from unillmrec.indexing.placing import Touched
from unillmrec.indexing.refreshing import Refresh
from unillmrec.indexing.upkeep import Upkeep, above
from unillmrec.items import Item
from unillmrec.store import ROOT, EditableTree, PlacedItem
from unillmrec.tree.terms import terms_of, vector_of, weighted_words
from unillmrec.tree.vectors import Vector


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """What changes did to a tree.

    *unchanged* items were as they shall be, *ignored* ones were not there. *splits*, *merges*
    and *regrown* count nodes, *refreshed* the nodes whose words and titles were told anew.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    ignored: int = 0
    splits: int = 0
    merges: int = 0
    regrown: int = 0
    refreshed: int = 0
    seconds: float = 0.0

    def __add__(self, other: ChangeReport) -> ChangeReport:
        return ChangeReport(
            *(getattr(self, each.name) + getattr(other, each.name) for each in fields(self))
        )

    @property
    def changed(self) -> int:
        """How many items are not as they were."""
        return self.inserted + self.updated + self.deleted


class Applier:
    """Applies batches to one tree."""

    def __init__(self, tree: EditableTree, given: ChangedVectors | None) -> None:
        self.tree = tree
        self.given = given

    def apply(self, batch: Batch) -> ChangeReport:
        """Change the items, and bring the tree above them back into shape."""
        started = time.perf_counter()
        touched = Touched()
        moved: Counter[int] = Counter()
        # What a term is worth depends on how many items there are.
        self.tree.facts["items"] += len(batch.inserts) - len(batch.deletes)
        self._note_terms(batch)
        self._remove(batch.deletes, touched, moved)
        self._rewrite_rows(batch.kept, touched)
        self._place(batch, touched, moved)
        refreshed = self._restore(touched, moved, len(batch))
        return ChangeReport(
            inserted=len(batch.inserts),
            updated=len(batch.kept) + len(batch.rewritten),
            deleted=len(batch.deletes),
            unchanged=batch.unchanged,
            ignored=batch.ignored,
            splits=touched.splits,
            merges=touched.merges,
            regrown=touched.regrown,
            refreshed=refreshed,
            seconds=time.perf_counter() - started,
        )

    def _note_terms(self, batch: Batch) -> None:
        used: Counter[str] = Counter()
        for item in batch.placed:
            used.update(self._terms(item).keys())
        for placed in [*batch.deletes, *(old for old, _ in batch.rewritten)]:
            used.subtract(self._terms(placed.item).keys())
        self.tree.note_terms({term: more for term, more in used.items() if more})

    def _terms(self, item: Item) -> dict[str, float]:
        return terms_of(weighted_words(item), with_pieces=bool(self.tree.facts["pieces"]))

    def _remove(self, deletes: Sequence[PlacedItem], touched: Touched, moved: Counter[int]) -> None:
        if not deletes:
            return
        self.tree.remove_items(deletes)
        for placed in deletes:
            touched.nodes.add(placed.leaf)
            moved[placed.leaf] += 1

    def _rewrite_rows(self, pairs: Sequence[Pair], touched: Touched) -> None:
        """Rewrite items that stay where they are."""
        news = [PlacedItem(old.number, new, old.leaf, self._prior(new)) for old, new in pairs]
        self.tree.put_items(news, {old.number: old for old, _ in pairs})
        for (old, _), new in zip(pairs, news, strict=True):
            # Nodes show titles, and how popular their items are; of the rest they know nothing.
            if old.item.title != new.item.title or old.prior != new.prior:
                touched.nodes.add(new.leaf)

    def _place(self, batch: Batch, touched: Touched, moved: Counter[int]) -> None:
        """Put new items, and those whose words changed, into the leaves nearest to them."""
        items = batch.placed
        if not items:
            return
        numbers = [
            *self.tree.next_numbers("item", len(batch.inserts)),
            *(old.number for old, _ in batch.rewritten),
        ]
        vectors = self._vectors(items)
        leaves = home_leaves(self.tree, items, vectors, touched)
        self.tree.put_items(
            [
                PlacedItem(number, item, leaf, self._prior(item))
                for number, item, leaf in zip(numbers, items, leaves, strict=True)
            ],
            {old.number: old for old, _ in batch.rewritten},
        )
        self.tree.put_vectors(
            (number, vector.to_bytes()) for number, vector in zip(numbers, vectors, strict=True)
        )
        left = [old.leaf for old, _ in batch.rewritten]
        touched.nodes.update(leaves, left)
        moved.update(leaves)
        moved.update(left)

    def _vectors(self, items: Sequence[Item]) -> list[Vector]:
        if self.tree.sparse:
            used = [self._terms(item) for item in items]
            known = self.tree.known_terms({term for each in used for term in each})
            return [vector_of(each, known) for each in used]
        if self.given is None:
            raise needs_vectors(self.tree)
        rows = self.given.for_items(items)
        expected = len(self.tree.node_vectors([ROOT])[0].weights)
        # A tree that was emptied takes vectors of any length.
        if rows.shape[1] != expected and expected and self.tree.rows("SELECT 1 FROM item LIMIT 1"):
            raise TreeError(
                f"the new vectors have {rows.shape[1]} dimensions, those of "
                f"{self.tree.path.name} {expected}.",
                detail="Nothing was changed.",
                remedy="vectors from the same model as the tree's.",
            )
        return [Vector(row) for row in rows]

    def _prior(self, item: Item) -> float:
        name = self.tree.facts.get("popularity")
        if not name:
            return 0.0
        count = count_of(item, name)
        if math.isnan(count):
            return 0.0
        return min(1.0, math.log1p(max(count, 0.0)) / float(self.tree.facts["popularity_top"]))

    def _restore(self, touched: Touched, moved: Counter[int], changes: int) -> int:
        if not touched.nodes:
            return 0
        states = self.tree.with_ancestors(sorted(moved))
        below: Counter[int] = Counter()
        for node, count in moved.items():
            for each in (node, *above(states, node)):
                below[each] += count
        self.tree.note_moved(below)
        with Upkeep(self.tree, touched) as upkeep:
            upkeep.restore(changes)
            refresh = Refresh(self.tree, touched)
            if upkeep.merge_small_branches(refresh.run()):
                refresh = Refresh(self.tree, touched)
                refresh.run()
        return len(refresh.fresh)


def needs_vectors(tree: EditableTree) -> TreeError:
    """Return the error for items without the vectors that the tree needs."""
    model = tree.facts.get("embedded_by")
    remedy = f"--embed {model}" if model else "--vectors FILE.npy with a row for each item"
    return TreeError(
        f"{tree.path.name} was built from given vectors; new items need theirs.",
        detail="Nothing was changed.",
        remedy=f"{remedy}.",
    )
