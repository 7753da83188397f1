"""The vectors of new and changed items, for trees that were built from given vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from unillmrec.building.given_vectors import Embed, EmbeddedVectors, VectorFile
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.store import ItemTree
from unillmrec.tree.vectors import Floats


class ChangedVectors(Protocol):
    """Provides the vectors of the items of a change."""

    @property
    def model(self) -> str | None:
        """The embedding model that made the vectors, if one is known."""

    def track(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass all items of a change through, in their order."""

    def prepare(self, items: Sequence[Item]) -> None:
        """Get the vectors of items ready, outside of any transaction; this may take long."""

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the unit vectors of items, as rows."""


class VectorRows:
    """Vectors from a `.npy` file with one row for each item of the change, in its order."""

    model = None

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = VectorFile(path).for_items(_count_rows(path))
        self._places: dict[str, int] = {}

    def track(self, items: Iterable[Item]) -> Iterator[Item]:
        """Remember which row belongs to which item."""
        for place, item in enumerate(items):
            self._places[item.id] = place
            yield item
        if len(self._places) < len(self._rows):
            raise self._wrong_count(len(self._places))

    def prepare(self, items: Sequence[Item]) -> None:
        """Do nothing: all vectors are in memory."""

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the rows of items."""
        places = [self._places[item.id] for item in items]
        if max(places, default=-1) >= len(self._rows):
            raise self._wrong_count(len(self._places))
        rows: Floats = self._rows[places]
        return rows

    def _wrong_count(self, count: int) -> TreeError:
        return TreeError(
            f"{self.path} has {len(self._rows):,} vectors, the change {count:,} items.",
            detail="Nothing was changed.",
            remedy="one vector for each item, in the same order.",
        )


class EmbeddedChanges:
    """Vectors that an embedding model makes from the items' texts, once for each text."""

    def __init__(self, model: str, embed: Embed) -> None:
        self.model: str = model
        self._embed = embed
        self._known: dict[bytes, Floats] = {}

    def track(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass the items through."""
        return iter(items)

    def prepare(self, items: Sequence[Item]) -> None:
        """Embed items, outside of any transaction."""
        self._known = dict(zip(map(Item.content_hash, items), self._embedded(items), strict=True))

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the vectors of items; those that were not prepared are embedded now."""
        missing = [item for item in items if item.content_hash() not in self._known]
        rows = self._embedded(missing)
        self._known |= dict(zip(map(Item.content_hash, missing), rows, strict=True))
        return np.stack([self._known[item.content_hash()] for item in items])

    def _embedded(self, items: Sequence[Item]) -> Sequence[Floats]:
        if not items:
            return []
        vectors = EmbeddedVectors(self.model, self._embed)
        for item in items:
            vectors.add(item)
        return list(vectors.for_items(len(items)))


def embedding_model_for(tree: ItemTree, model: str | None) -> str | None:
    """Return the model that embeds new items of *tree*: *model*, or None if none is needed.

    Raises:
        TreeError: the vectors of the tree come from another model.
    """
    if tree.sparse or not model:
        return None
    known = tree.facts["embedded_by"]
    if model != known:
        raise TreeError(
            f"{tree.path.name} holds vectors of {known or 'an unknown origin'}, not of {model}.",
            detail="Vectors of two models cannot be compared. Nothing was changed.",
            remedy=f"--embed {known}" if known else "--vectors FILE.npy with a row for each item.",
        )
    return model


def check_takes_vectors(tree: ItemTree) -> None:
    """Raise an error if *tree* was built from words, so that vectors of new items are useless."""
    if tree.sparse:
        raise TreeError(
            f"{tree.path.name} was built from words; it takes no vectors.",
            detail="Nothing was changed.",
            remedy="leave --vectors out.",
        )


def _count_rows(path: Path) -> int:
    return len(np.load(path, mmap_mode="r", allow_pickle=False))
