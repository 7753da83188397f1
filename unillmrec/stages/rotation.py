"""Rotate the choices of a question by a seed, so that no position always holds the best one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from unillmrec.judge.questions import number_choices

if TYPE_CHECKING:
    from unillmrec.judge import Choice, Question


def rotate_question(question: Question, seed: int) -> tuple[Choice, ...]:
    """Return the choices of *question*, rotated and renumbered.

    Branches are rotated in the same way for everybody, so that many prompts can begin with the
    same list. Items differ from person to person, so their rotation depends on the profile too.
    A rerank list keeps its order, best first.
    """
    if question.kind == "rerank":
        return question.choices
    salt = "" if question.about_nodes else question.profile.text()
    return number_choices(rotate_choices(question.choices, seed, salt))


def rotate_choices(choices: Sequence[Choice], seed: int, salt: str = "") -> list[Choice]:
    """Return *choices* rotated so that the one with the smallest hash comes first.

    The hash is of *seed*, *salt* and the choice's key. Removing a choice does not change the
    rotation unless it was the first one: people with nearly the same eligible items read nearly
    the same lists.
    """
    suffix = f" {seed} {salt}".encode("utf-8", "surrogatepass")
    hashes = [hashlib.blake2b(b"%d" % each.key + suffix).digest() for each in choices]
    first = hashes.index(min(hashes)) if hashes else 0
    return [*choices[first:], *choices[:first]]
