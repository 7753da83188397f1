"""Find out whether a tree file is damaged, after an error that damage would explain."""

from __future__ import annotations

from collections.abc import Iterator

from unillmrec.errors import StoreError
from unillmrec.store.decoding import DECODE_ERRORS
from unillmrec.store.integrity.content import find_content_damage
from unillmrec.store.invariants import find_breaches
from unillmrec.store.item_tree import ItemTree


def find_damage(tree: ItemTree) -> Iterator[str]:
    """Yield a sentence for each broken invariant of *tree*, and for all content that is damaged."""
    try:
        yield from find_breaches(tree)
    except StoreError as error:
        yield error.problem.removeprefix(f"{tree.path} is damaged: ").rstrip(".")
    except DECODE_ERRORS as error:
        yield f"the nodes cannot be read ({error!r})"
    yield from find_content_damage(tree)


def first_damage(tree: ItemTree) -> str:
    """Return a sentence about the first damage of *tree* that is found, or an empty string."""
    return next(find_damage(tree), "")
