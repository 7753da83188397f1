"""Items and nodes as rows of their tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from unillmrec.items import ItemFields


@dataclass(frozen=True, slots=True)
class NodeRow:
    """A node as it is stored. The root has *id* 1; *packed* is its vector sum."""

    id: int
    parent: int | None
    place: int
    depth: int
    size: int
    leaf: bool
    description: str
    spans: str
    prior: float
    packed: bytes
    moved: int = 0
    stale: int = 0


def item_rows(numbers: Iterable[int], items: ItemFields) -> list[tuple[object, ...]]:
    """Return one row per item, without the leaf and the popularity."""
    paths, attributes = items.paths_as_json(), items.attributes_as_json()
    hashes = items.hashes(paths, attributes)
    texts = (items.ids, items.titles, items.texts)
    return list(zip(numbers, *texts, paths, attributes, hashes, strict=True))
