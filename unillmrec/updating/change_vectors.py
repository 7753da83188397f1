"""Vectors for items that come or change, for trees that were built from given vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from unillmrec.building.given_vectors import Embed, EmbeddedVectors, VectorFile
from unillmrec.errors import TreeError
from unillmrec.items import Item
from unillmrec.tree.vectors import Floats


class ChangedVectors(Protocol):
    """Who gives vectors; *model* is the embedding model they come from, if one is known."""

    @property
    def model(self) -> str | None:
        """The embedding model."""

    def noting(self, items: Iterable[Item]) -> Iterator[Item]:
        """Pass all items of a change through, in their order."""

    def prepare(self, items: Sequence[Item]) -> None:
        """Get the vectors of items ready; it may take long."""

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the unit vectors of items, as rows."""


class VectorRows:
    """Vectors from a `.npy` file with one row for each item of the change, in its order."""

    model = None

    def __init__(self, path: Path) -> None:
        self.path = path
        source = VectorFile(path)
        self._rows = source.for_items(_rows_in(path))
        self._places: dict[str, int] = {}

    def noting(self, items: Iterable[Item]) -> Iterator[Item]:
        """Note which row belongs to which item."""
        for place, item in enumerate(items):
            self._places[item.id] = place
            yield item
        if len(self._places) < len(self._rows):
            raise self._misfit(len(self._places))

    def prepare(self, items: Sequence[Item]) -> None:
        """Do nothing: all rows are there."""

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the rows of items."""
        places = [self._places[item.id] for item in items]
        if max(places, default=-1) >= len(self._rows):
            raise self._misfit(len(self._places))
        rows: Floats = self._rows[places]
        return rows

    def _misfit(self, count: int) -> TreeError:
        return TreeError(
            f"{self.path} has {len(self._rows):,} vectors, the change {count:,} items.",
            detail="Nothing was changed.",
            remedy="one vector for each item, in the same order.",
        )


class EmbeddedChanges:
    """Vectors that an endpoint makes of the items' text, each item's only once."""

    def __init__(self, model: str, embed: Embed) -> None:
        self.model: str = model
        self._embed = embed
        self._known: dict[bytes, Floats] = {}

    def noting(self, items: Iterable[Item]) -> Iterator[Item]:
        """Take no note."""
        return iter(items)

    def prepare(self, items: Sequence[Item]) -> None:
        """Embed items, outside of any transaction."""
        self._known = dict(zip(map(Item.content_hash, items), self._embedded(items), strict=True))

    def for_items(self, items: Sequence[Item]) -> Floats:
        """Return the vectors of items."""
        strange = [item for item in items if item.content_hash() not in self._known]
        rows = self._embedded(strange)
        self._known |= dict(zip(map(Item.content_hash, strange), rows, strict=True))
        return np.stack([self._known[item.content_hash()] for item in items])

    def _embedded(self, items: Sequence[Item]) -> Sequence[Floats]:
        if not items:
            return []
        vectors = EmbeddedVectors(self.model, self._embed)
        for item in items:
            vectors.add(item)
        return list(vectors.for_items(len(items)))


def _rows_in(path: Path) -> int:
    return len(np.load(path, mmap_mode="r", allow_pickle=False))
