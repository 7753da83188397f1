"""What somebody says they like, as words that can be looked up."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from unillmrec.tree.terms import split_words

# Words that say how a sentence is built and not what it is about. In a catalog of titles they
# are rare enough to weigh as much as any other, so rarity alone does not tell them apart. Only
# English: in a mixed catalog "die" and "war" are German grammar and English subjects.
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


# No language has a longer word that a reader would want to see.
LONGEST_WORD = 40


# The same terms come up again with every change.
@lru_cache(1 << 16)
def can_be_told(term: str) -> bool:
    """Return whether a term says something to a reader.

    Pieces of words, numbers, codes and function words do not, nor do the one or two letters
    that are left of "sci-fi" or "Vol. 2"; in scripts that write syllables, two are a word.
    """
    if not term[:1].isalpha() or term in FUNCTION_WORDS:
        return False
    return (3 if term.isascii() else 1) <= len(term) <= LONGEST_WORD


def sentence_words(text: str) -> list[str]:
    """Return the words of a sentence that say what it is about; all, if none does."""
    words = split_words(text)
    return [word for word in words if word not in FUNCTION_WORDS] or words


def variants(word: str) -> Iterator[str]:
    """Return a word and its other grammatical number, as English spells it.

    Who asks for whales should find a whale. Words that are none are not in the catalog, and
    do no harm.
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
