"""Find the words of a sentence that can be looked up in a catalog."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from unillmrec.tree.terms import split_words

# Words of grammar, which do not say what a sentence is about. In a catalog of titles they are
# rare, so their idf does not reveal them. They are English only: in a mixed catalog, "die" and
# "war" are German grammar but English subjects.
_SPELLED_OUT = """
    a an the and or but nor of in on at by for with without from to into onto upon over under
    about as than then so if else is are was were be been being am do does did done has have
    had having it its this that these those he him his she her hers they them their we us our
    you your i me my mine who whom whose which what when where why how not no yes all any each
    every some such more most other own same too very can could will would shall should may
    might must just also only both between through during before after above below up down off
    out again once here there like something anything someone kind sort please
"""
FUNCTION_WORDS = frozenset(_SPELLED_OUT.split())


# No reader wants to see a longer word, in any language.
LONGEST_WORD = 40


# Every change of a tree asks about the same terms.
@lru_cache(1 << 16)
def is_readable(term: str) -> bool:
    """Return whether a term means something to a reader.

    Character n-grams, numbers, codes and function words do not, nor do one or two Latin letters,
    such as those that remain of "sci-fi" or "Vol. 2". In other scripts they may be a word.
    """
    if not term[:1].isalpha() or term in FUNCTION_WORDS:
        return False
    return (3 if term.isascii() else 1) <= len(term) <= LONGEST_WORD


def content_words(text: str) -> list[str]:
    """Return the words of a sentence without function words, or all words if nothing is left."""
    words = split_words(text)
    return [word for word in words if word not in FUNCTION_WORDS] or words


# Words for the kind of thing that a catalog holds: nearly every item is one.
KIND_WORDS = frozenset(
    [
        "game",
        "games",
        "movie",
        "movies",
        "film",
        "films",
        "show",
        "shows",
        "series",
        "book",
        "books",
        "item",
        "items",
        "product",
        "products",
        "song",
        "songs",
        "article",
        "articles",
        "thing",
        "things",
        "stuff",
    ]
)


def topic_words(text: str) -> list[str]:
    """Return the words of a sentence that say what kind of item is wanted; all, if none does."""
    words = content_words(text)
    return [word for word in words if word not in KIND_WORDS] or words


# Words that turn the meaning of those after them, up to the end of the clause.
_NEGATIONS = r"no|not|without|except|minus|never|nothing|hates?|dislikes?|avoid"
_NEGATED = re.compile(
    rf"\b(?:{_NEGATIONS}|n't)\b([^,.;:!?()]*?)(?=\bbut\b|[,.;:!?()]|$)", re.IGNORECASE
)


def split_negation(text: str) -> tuple[str, str]:
    """Split a sentence into what is wanted and what is not: "scary, but no gore".

    A sentence that only says what is not wanted is taken as it is.
    """
    unwanted = " ".join(found[1] for found in _NEGATED.finditer(text)).strip()
    wanted = _NEGATED.sub(" ", text)
    if not any(word not in FUNCTION_WORDS for word in split_words(wanted)):
        return text, ""
    return wanted, unwanted


def variants(word: str) -> Iterator[str]:
    """Yield a word and its English singular or plural forms.

    A person who asks for whales should find a whale. Forms that do not exist are not in the
    catalog and do no harm.
    """
    yield word
    if len(word) < 3 or not word.isascii() or not word.isalpha():
        return
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]
    elif word.endswith("y"):
        yield word[:-1] + "ies"
    else:
        yield word + "s"
        yield word + "es"
