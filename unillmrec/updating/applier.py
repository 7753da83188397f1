"""Apply one batch of changes to a tree, inside a transaction that somebody else ends."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from unillmrec.building.pipeline import count_of
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, EditableTree, PlacedItem
from unillmrec.tree.terms import count_terms, weighted_rows, weighted_words
from unillmrec.tree.vector_rows import packed_rows
from unillmrec.tree.vectors import Floats
from unillmrec.updating.change_checks import Batch, Pair
from unillmrec.updating.change_vectors import ChangedVectors
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import home_leaves
from unillmrec.updating.upkeep.maintenance import Upkeep
from unillmrec.updating.upkeep.refresh import Refresh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


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
        touched = ChangeSet()
        # What a term is worth depends on how many items there are.
        self.tree.facts["items"] += len(batch.inserts) - len(batch.deletes)
        used = self._note_terms(batch)
        self._remove(batch.deletes, touched)
        self._rewrite_rows(batch.kept, touched)
        self._place(batch, used, touched)
        refreshed = self._restore(touched)
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

    def _note_terms(self, batch: Batch) -> list[dict[str, float]]:
        """Count the terms that come and go; return how much the items to be placed use each."""
        used = [self._terms(item) for item in batch.placed]
        more = Counter(term for each in used for term in each)
        olds = [*batch.deletes, *(old for old, _ in batch.rewritten)]
        more.subtract(Counter(term for placed in olds for term in self._terms(placed.item)))
        self.tree.add_term_counts({term: change for term, change in more.items() if change})
        return used

    def _terms(self, item: Item) -> dict[str, float]:
        return count_terms(weighted_words(item), with_ngrams=bool(self.tree.facts["pieces"]))

    def _remove(self, deletes: Sequence[PlacedItem], touched: ChangeSet) -> None:
        if not deletes:
            return
        self._note_leaving(deletes, touched)
        self.tree.remove_items(deletes)

    def _note_leaving(self, items: Sequence[PlacedItem], touched: ChangeSet) -> None:
        leaves = [each.leaf for each in items]
        rows = self.tree.item_matrix([each.number for each in items])
        touched.moves.note(self.tree, leaves, rows, [each.prior for each in items], -1)
        touched.moves.elsewhere |= {each.number for each in items}
        touched.leaves.update(leaves)

    def _rewrite_rows(self, pairs: Sequence[Pair], touched: ChangeSet) -> None:
        """Rewrite items that stay where they are."""
        news = [PlacedItem(old.number, new, old.leaf, self._prior(new)) for old, new in pairs]
        self.tree.put_items(news, {old.number: old for old, _ in pairs})
        # Nodes show titles, and how popular their items are; of the rest they know nothing.
        renamed = [new for (old, _), new in zip(pairs, news, strict=True) if _differ(old, new)]
        if not renamed:
            return
        before = {old.number: old.prior for old, _ in pairs}
        more = [new.prior - before[new.number] for new in renamed]
        touched.moves.note_rewritten(self.tree, [new.leaf for new in renamed], more)
        touched.moves.elsewhere |= {new.number for new in renamed}
        touched.leaves |= {new.leaf for new in renamed}

    def _place(
        self,
        batch: Batch,
        used: Sequence[dict[str, float]],
        touched: ChangeSet,
    ) -> None:
        """Put new items, and those whose words changed, into the leaves nearest to them."""
        items = batch.placed
        if not items:
            return
        numbers = [
            *self.tree.take_numbers("item", len(batch.inserts)),
            *(old.number for old, _ in batch.rewritten),
        ]
        rows = self._rows(items, used)
        olds = [old for old, _ in batch.rewritten]
        if olds:
            self._note_leaving(olds, touched)
        leaves = home_leaves(self.tree, items, rows, touched)
        placed = [
            PlacedItem(number, item, leaf, self._prior(item))
            for number, item, leaf in zip(numbers, items, leaves, strict=True)
        ]
        self.tree.put_items(placed, {old.number: old for old in olds})
        self.tree.put_vectors(zip(numbers, packed_rows(rows), strict=True))
        touched.moves.note(self.tree, leaves, rows, [each.prior for each in placed], 1)
        touched.leaves.update(leaves)

    def _rows(self, items: Sequence[Item], used: Sequence[dict[str, float]]) -> csr_matrix | Floats:
        if self.tree.sparse:
            known = self.tree.known_terms({term for each in used for term in each})
            return weighted_rows(used, known, int(self.tree.facts["next_term"]))
        if self.given is None:
            raise needs_vectors(self.tree)
        rows = self.given.for_items(items)
        expected = len(self.tree.node_vectors([ROOT])[0].weights)
        # A tree that was emptied takes vectors of any length.
        if rows.shape[1] != expected and expected and not self.tree.is_empty():
            raise TreeError(
                f"the new vectors have {rows.shape[1]} dimensions, those of "
                f"{self.tree.path.name} {expected}.",
                detail="Nothing was changed.",
                remedy="vectors from the same model as the tree's.",
            )
        return rows

    def _prior(self, item: Item) -> float:
        name = self.tree.facts.get("popularity")
        if not name:
            return 0.0
        count = count_of(item, name)
        if math.isnan(count):
            return 0.0
        return min(1.0, math.log1p(max(count, 0.0)) / float(self.tree.facts["popularity_top"]))

    def _restore(self, touched: ChangeSet) -> int:
        if not touched.nodes and not touched.leaves:
            return 0
        touched.note_moved(self.tree, touched.moves.moved)
        with Upkeep(self.tree, touched) as upkeep:
            upkeep.restore()
            refresh = Refresh(self.tree, touched)
            refreshed = refresh.run()
            if upkeep.merge_small_branches(refresh.sizes):
                refreshed |= Refresh(self.tree, touched).run()
        return len(refreshed)


def _differ(old: PlacedItem, new: PlacedItem) -> bool:
    return old.item.title != new.item.title or old.prior != new.prior


def needs_vectors(tree: EditableTree) -> TreeError:
    """Return the error for items without the vectors that the tree needs."""
    model = tree.facts.get("embedded_by")
    remedy = f"--embed {model}" if model else "--vectors FILE.npy with a row for each item"
    return TreeError(
        f"{tree.path.name} was built from given vectors; new items need theirs.",
        detail="Nothing was changed.",
        remedy=f"{remedy}.",
    )
