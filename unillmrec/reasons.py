"""Why an item is in the list, from the tree alone: what it is near to, and by which words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from unillmrec.items import one_line
from unillmrec.judge import Profile
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.tree.descriptions import breadcrumb
from unillmrec.tree.sentences import can_be_told
from unillmrec.tree.vectors import Vector, similarities

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
    reasons = []
    for each, vector in zip(items, vectors, strict=True):
        branch = breadcrumb([node.description for node in tree.ancestors(each.leaf)])
        text = _text(tree, profile, vector, recent, past) or f"in {branch or 'the catalog'}"
        reasons.append(Reason(text, branch))
    return reasons


def _text(
    tree: ItemTree,
    profile: Profile,
    vector: Vector,
    recent: Sequence[PlacedItem],
    past: Sequence[Vector],
) -> str:
    near = similarities(vector, past)
    if len(near) and float(near.max()) >= CLOSE:
        best = int(np.argmax(near))
        title = one_line(recent[best].item.title, TITLE_LENGTH)
        return f"close to {title}" + _by_words(shared_words(tree, vector, past[best]))
    if profile.taste is not None and not recent:
        words = shared_words(tree, vector, profile.taste)
        return f"about {', '.join(words)}" if words else ""
    return ""


def _by_words(words: Sequence[str]) -> str:
    return f" ({', '.join(words)})" if words else ""


def shared_words(tree: ItemTree, one: Vector, other: Vector) -> list[str]:
    """Return the words that make two vectors alike, the most telling first."""
    if one.ids is None or other.ids is None:
        return []
    shared, mine, theirs = np.intersect1d(one.ids, other.ids, return_indices=True)
    products = one.weights[mine] * other.weights[theirs]
    order = np.argsort(-products, kind="stable")[: SHARED_WORDS * 3]
    terms = tree.terms_numbered([int(shared[place]) for place in order])
    told = [terms[int(shared[place])] for place in order]
    return [word for word, used in told if is_telling(word, used, len(tree))][:SHARED_WORDS]


def is_telling(word: str, used: int, items: int) -> bool:
    """Return whether a word that *used* of *items* items have says something about one."""
    return can_be_told(word) and used <= max(USUAL * items, SMALL)
