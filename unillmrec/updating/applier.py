"""Apply one batch of changes to a tree, inside the caller's transaction."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from unillmrec.building.popularity import count_of
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import ROOT, EditableTree, PlacedItem
from unillmrec.tree.terms import count_terms, weighted_rows, weighted_words
from unillmrec.tree.vector_rows import packed_rows
from unillmrec.tree.vectors import Floats
from unillmrec.updating.change_checks import ChangeBatch, ItemUpdate
from unillmrec.updating.change_vectors import ChangedVectors
from unillmrec.updating.placement.nearest_leaf import ChangeSet
from unillmrec.updating.placement.path_placement import choose_leaves
from unillmrec.updating.upkeep.maintenance import TreeMaintenance
from unillmrec.updating.upkeep.refresh import Refresh

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, slots=True)
class ChangeReport:
    """Counts what changes did to a tree.

    *unchanged* items were up to date, *ignored* ids were not in the tree. *splits* and *merges*
    count nodes, *regrown* the subtrees that were clustered again, *refreshed* the nodes whose
    titles and ranges were renewed.
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
        """The number of items that were inserted, updated or deleted."""
        return self.inserted + self.updated + self.deleted


class BatchApplier:
    """Applies batches of changes to one tree."""

    def __init__(self, tree: EditableTree, given: ChangedVectors | None) -> None:
        self.tree = tree
        self.given = given

    def apply(self, batch: ChangeBatch) -> ChangeReport:
        """Change the items, then restore the bounds of the tree and refresh its descriptions."""
        started = time.perf_counter()
        changes = ChangeSet()
        # The idf of a term depends on the number of items.
        self.tree.facts["items"] += len(batch.inserts) - len(batch.deletes)
        used = self._count_terms(batch)
        self.tree.clear_attributes([each.number for each in batch.damaged])
        self._remove(batch.deletes, changes)
        self._update_in_place(batch.in_place, changes)
        self._place(batch, used, changes)
        refreshed = self._restore(changes)
        return ChangeReport(
            inserted=len(batch.inserts),
            updated=len(batch.in_place) + len(batch.rewritten),
            deleted=len(batch.deletes),
            unchanged=batch.unchanged,
            ignored=batch.ignored,
            splits=changes.splits,
            merges=changes.merges,
            regrown=changes.regrown,
            refreshed=refreshed,
            seconds=time.perf_counter() - started,
        )

    def _count_terms(self, batch: ChangeBatch) -> list[dict[str, float]]:
        """Update the counts of terms; return the terms of the items that will be placed."""
        used = [self._terms(item) for item in batch.to_place]
        more = Counter(term for each in used for term in each)
        removed = [*batch.deletes, *(old for old, _ in batch.rewritten)]
        more.subtract(Counter(term for placed in removed for term in self._terms(placed.item)))
        self.tree.add_term_counts({term: change for term, change in more.items() if change})
        return used

    def _terms(self, item: Item) -> dict[str, float]:
        return count_terms(weighted_words(item), with_ngrams=bool(self.tree.facts["pieces"]))

    def _remove(self, deletes: Sequence[PlacedItem], changes: ChangeSet) -> None:
        if not deletes:
            return
        self._record_leaving(deletes, changes)
        self.tree.remove_items(deletes)

    def _record_leaving(self, items: Sequence[PlacedItem], changes: ChangeSet) -> None:
        leaves = [each.leaf for each in items]
        rows = self.tree.item_matrix([each.number for each in items])
        changes.deltas.add(self.tree, leaves, rows, [each.prior for each in items], -1)
        changes.deltas.outdated |= {each.number for each in items}
        changes.leaves.update(leaves)

    def _update_in_place(self, pairs: Sequence[ItemUpdate], changes: ChangeSet) -> None:
        """Write new versions of items that keep their vectors and leaves."""
        news = [PlacedItem(old.number, new, old.leaf, self._prior(new)) for old, new in pairs]
        self.tree.put_items(news, {old.number: old for old, _ in pairs})
        # Nodes depend only on the titles and the popularity of such items.
        both = zip(pairs, news, strict=True)
        changed = [new for (old, _), new in both if _affects_nodes(old, new)]
        if not changed:
            return
        before = {old.number: old.prior for old, _ in pairs}
        more = [new.prior - before[new.number] for new in changed]
        changes.deltas.add_rewritten(self.tree, [new.leaf for new in changed], more)
        changes.deltas.outdated |= {new.number for new in changed}
        changes.leaves |= {new.leaf for new in changed}

    def _place(
        self,
        batch: ChangeBatch,
        used: Sequence[dict[str, float]],
        changes: ChangeSet,
    ) -> None:
        """Put new and rewritten items into the leaves nearest to them."""
        items = batch.to_place
        if not items:
            return
        numbers = [
            *self.tree.take_numbers("item", len(batch.inserts)),
            *(old.number for old, _ in batch.rewritten),
        ]
        rows = self._rows(items, used)
        replaced = [old for old, _ in batch.rewritten]
        if replaced:
            self._record_leaving(replaced, changes)
        leaves = choose_leaves(self.tree, items, rows, changes)
        placed = [
            PlacedItem(number, item, leaf, self._prior(item))
            for number, item, leaf in zip(numbers, items, leaves, strict=True)
        ]
        self.tree.put_items(placed, {old.number: old for old in replaced})
        self.tree.put_vectors(zip(numbers, packed_rows(rows), strict=True))
        changes.deltas.add(self.tree, leaves, rows, [each.prior for each in placed], 1)
        changes.leaves.update(leaves)

    def _rows(self, items: Sequence[Item], used: Sequence[dict[str, float]]) -> csr_matrix | Floats:
        if self.tree.sparse:
            known = self.tree.known_terms({term for each in used for term in each})
            return weighted_rows(used, known, int(self.tree.facts["next_term"]))
        if self.given is None:
            raise needs_vectors(self.tree)
        rows = self.given.for_items(items)
        expected = len(self.tree.node_vectors([ROOT])[0].weights)
        # An empty tree takes vectors of any length.
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

    def _restore(self, changes: ChangeSet) -> int:
        if not changes.nodes and not changes.leaves:
            return 0
        changes.count_moved(self.tree, changes.deltas.moved)
        with TreeMaintenance(self.tree, changes) as upkeep:
            upkeep.restore()
            refresh = Refresh(self.tree, changes)
            refreshed = refresh.run()
            if upkeep.merge_small_branches(refresh.sizes):
                refreshed |= Refresh(self.tree, changes).run()
        return len(refreshed)


def _affects_nodes(old: PlacedItem, new: PlacedItem) -> bool:
    return old.item.title != new.item.title or old.prior != new.prior


def needs_vectors(tree: EditableTree) -> TreeError:
    """Return the error for new items of a tree that needs vectors for them."""
    model = tree.facts.get("embedded_by")
    remedy = f"--embed {model}" if model else "--vectors FILE.npy with a row for each item"
    return TreeError(
        f"{tree.path.name} was built from given vectors; new items need vectors too.",
        detail="Nothing was changed.",
        remedy=f"{remedy}.",
    )
