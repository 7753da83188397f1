"""Explain recommendations from the tree: which item they are similar to, and by which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from unillmrec.items import one_line
from unillmrec.tree.descriptions import breadcrumb
from unillmrec.tree.sentences.query_words import is_readable
from unillmrec.tree.vectors import Vector, looked_up, similarities

if TYPE_CHECKING:
    from unillmrec.judge import Profile
    from unillmrec.store import ItemTree, PlacedItem

RECENT = 10
SHARED_WORDS = 3
TITLE_LENGTH = 60
# Items with a smaller cosine are not called close.
CLOSE = 0.05
# A word that a larger share of all items has does not explain why two of them are similar.
COMMON_SHARE = 0.2
# In small catalogs a word may be in this many items, whatever their share.
COMMON_COUNT = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """A phrase that explains a recommendation, and the path of branches above the item."""

    text: str
    branch: str


def reasons_for(
    tree: ItemTree, profile: Profile, history: Sequence[PlacedItem], items: Sequence[PlacedItem]
) -> list[Reason]:
    """Return a reason for each of *items*."""
    vectors = tree.item_vectors([each.number for each in items])
    recent = history[-RECENT:]
    past = tree.item_vectors([each.number for each in recent])
    paths = tree.ancestors_by_node(each.leaf for each in items)
    matches = [_closest(profile, vector, past) for vector in vectors]
    pairs = [
        (vector, match[1])
        for vector, match in zip(vectors, matches, strict=True)
        if match is not None
    ]
    words = iter(shared_words(tree, pairs))
    reasons = []
    for each, match in zip(items, matches, strict=True):
        branch = breadcrumb([node.description for node in paths[each.leaf]])
        text = "" if match is None else _phrase(recent, match[0], next(words))
        reasons.append(Reason(text or f"in {branch or 'the catalog'}", branch))
    return reasons


def _closest(
    profile: Profile, vector: Vector, past: Sequence[Vector]
) -> tuple[int | None, Vector] | None:
    """Return index and vector of the closest past item, or the profile's vector without index."""
    near = similarities(vector, past)
    if len(near) and float(near.max()) >= CLOSE:
        best = int(np.argmax(near))
        return best, past[best]
    return None if profile.vector is None or past else (None, profile.vector)


def _phrase(recent: Sequence[PlacedItem], best: int | None, words: Sequence[str]) -> str:
    listed = ", ".join(words)
    if best is None:
        return f"about {listed}" if words else ""
    title = one_line(recent[best].item.title, TITLE_LENGTH)
    return f"close to {title}" + (f" ({listed})" if words else "")


def shared_words(tree: ItemTree, pairs: Sequence[tuple[Vector, Vector]]) -> list[list[str]]:
    """Return for each pair of vectors the words that contribute most to their similarity."""
    numbers = [_shared_terms(*pair) for pair in pairs]
    terms = tree.terms_by_id(list({number for each in numbers for number in each}))
    return [
        [terms[number][0] for number in each if is_distinctive(*terms[number], len(tree))][
            :SHARED_WORDS
        ]
        for each in numbers
    ]


def _shared_terms(one: Vector, other: Vector) -> list[int]:
    """Return the ids of the terms that contribute most to the similarity of two vectors."""
    if one.ids is None or other.ids is None:
        return []
    weights = looked_up(other, one.ids)
    products = one.weights * weights
    shared = np.flatnonzero(weights)
    order = shared[np.argsort(-products[shared], kind="stable")]
    terms: list[int] = one.ids[order[: SHARED_WORDS * 3]].tolist()
    return terms


def is_distinctive(word: str, used: int, items: int) -> bool:
    """Return whether a word that *used* of *items* items contain can explain a similarity."""
    return is_readable(word) and used <= max(COMMON_SHARE * items, COMMON_COUNT)
