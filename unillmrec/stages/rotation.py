"""In which order choices are shown: turned by a seed, so that no place is always the best one's."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from unillmrec.judge import Choice, Question
from unillmrec.judge.questions import number_choices


def turned(question: Question, seed: int) -> tuple[Choice, ...]:
    """Return the choices of *question* turned, and numbered anew.

    Branches are turned the same way for everybody, so that many prompts can begin with the
    same list; items, of which everybody is shown others, by the person's profile as well. A
    list that is to be read from the top, best first, stays as it is.
    """
    if question.kind == "rerank":
        return question.choices
    about = "" if question.about_nodes else question.profile.text()
    return number_choices(rotated(question.choices, seed, about))


def rotated(choices: Sequence[Choice], seed: int, about: str = "") -> list[Choice]:
    """Return *choices* turned so that the one with the smallest hash comes first.

    The hash is of *seed*, *about* and the choice's key. A list without one of its choices is
    turned like the whole list, unless that one was the first: people who may be recommended
    nearly the same things read nearly the same lists.
    """
    salt = f" {seed} {about}".encode("utf-8", "surrogatepass")
    hashes = [hashlib.blake2b(b"%d" % each.key + salt).digest() for each in choices]
    first = hashes.index(min(hashes)) if hashes else 0
    return [*choices[first:], *choices[:first]]
