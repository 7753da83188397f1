"""Why an item is in the list, from the tree alone: what it is near to, and by which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unillmrec.items import one_line
from unillmrec.judge import Profile
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.tree.descriptions import breadcrumb
from unillmrec.tree.query_words import can_be_told
from unillmrec.tree.vectors import Vector, looked_up, similarities

RECENT = 10
SHARED_WORDS = 3
TITLE_LENGTH = 60
# Below this cosine "close to" would be a stretch.
CLOSE = 0.05
# A word that so large a share of all items has says nothing about two of them.
USUAL = 0.2
# In so small a catalog a share means nothing.
SMALL = 20


@dataclass(frozen=True, slots=True)
class Reason:
    """A sentence, and the path of branches the item sits under."""

    text: str
    branch: str


def reasons_for(
    tree: ItemTree, profile: Profile, history: Sequence[PlacedItem], items: Sequence[PlacedItem]
) -> list[Reason]:
    """Return a reason for each of *items*."""
    vectors = tree.item_vectors([each.number for each in items])
    recent = history[-RECENT:]
    past = tree.item_vectors([each.number for each in recent])
    ways = tree.ancestors_by_node(each.leaf for each in items)
    likes = [_like(profile, vector, past) for vector in vectors]
    pairs = [
        (vector, like[1]) for vector, like in zip(vectors, likes, strict=True) if like is not None
    ]
    words = iter(shared_words(tree, pairs))
    reasons = []
    for each, like in zip(items, likes, strict=True):
        branch = breadcrumb([node.description for node in ways[each.leaf]])
        text = "" if like is None else _text(recent, like[0], next(words))
        reasons.append(Reason(text or f"in {branch or 'the catalog'}", branch))
    return reasons


def _like(
    profile: Profile, vector: Vector, past: Sequence[Vector]
) -> tuple[int | None, Vector] | None:
    """Return what an item is like: the place of something recent, or the person's taste."""
    near = similarities(vector, past)
    if len(near) and float(near.max()) >= CLOSE:
        best = int(np.argmax(near))
        return best, past[best]
    return None if profile.vector is None or past else (None, profile.vector)


def _text(recent: Sequence[PlacedItem], best: int | None, words: Sequence[str]) -> str:
    told = ", ".join(words)
    if best is None:
        return f"about {told}" if words else ""
    title = one_line(recent[best].item.title, TITLE_LENGTH)
    return f"close to {title}" + (f" ({told})" if words else "")


def shared_words(tree: ItemTree, pairs: Sequence[tuple[Vector, Vector]]) -> list[list[str]]:
    """Return for each pair the words that make it alike, the most telling first."""
    numbers = [_shared_terms(*pair) for pair in pairs]
    terms = tree.terms_by_id(list({number for each in numbers for number in each}))
    return [
        [terms[number][0] for number in each if is_telling(*terms[number], len(tree))][
            :SHARED_WORDS
        ]
        for each in numbers
    ]


def _shared_terms(one: Vector, other: Vector) -> list[int]:
    """Return the ids of the terms that two vectors share, the weightiest first."""
    if one.ids is None or other.ids is None:
        return []
    weights = looked_up(other, one.ids)
    products = one.weights * weights
    shared = np.flatnonzero(weights)
    order = shared[np.argsort(-products[shared], kind="stable")]
    found: list[int] = one.ids[order[: SHARED_WORDS * 3]].tolist()
    return found


def is_telling(word: str, used: int, items: int) -> bool:
    """Return whether a word that *used* of *items* items have says something about one."""
    return can_be_told(word) and used <= max(USUAL * items, SMALL)
