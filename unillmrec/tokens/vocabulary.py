"""The o200k vocabulary, loaded once per process, or a rough estimate if it cannot be loaded."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Protocol

from unillmrec.tokens import ranks
from unillmrec.tokens.rough import RoughVocabulary

if TYPE_CHECKING:
    from tiktoken import Encoding

# How o200k splits a text before it merges bytes. Part of the vocabulary, see NOTICE.
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*"
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
        r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

# tiktoken's regular expressions overflow their stack, and its merging slows down, on one unbroken
# run of a million characters; nothing a person writes comes near a block.
_BLOCK = 100_000
# No piece of the pattern continues from a visible character into a space, so a text split there
# has the tokens it had in one.
_SEAM = re.compile(r"(?<=\S)(?= )")


# Nor does one go on from a line's end into the next line, unless that begins with white space or
# with a slash: a prompt has the tokens of its lines. They come again with every person, and a
# prompt is counted before it is sent, for the budget, and for the log. Memory stays below some
# ten megabytes: there are more lines in a tree of thousands than prompts in work.
_LINES, _LINE = 20_000, 300
_PROMPTS, _PROMPT = 128, 20_000
# As long is the number of a line, with its point and the blank behind it.
_NUMBER = 6


class TokenVocabulary(Protocol):
    """What a vocabulary must offer for counting and truncating."""

    longest: int
    """The most characters one token can stand for."""

    def count(self, text: str) -> int:
        """Return the number of tokens in *text*; special tokens count as ordinary text."""

    def reach(self, text: str, tokens: int) -> int:
        """Return how many whole characters of *text* its first *tokens* tokens cover."""


class O200kVocabulary:
    """The vocabulary of OpenAI's models since gpt-4o, counted exactly."""

    longest = 128

    def __init__(self, encoding: Encoding) -> None:
        self._encoding = encoding
        self._count_line = lru_cache(_LINES)(self._count)
        self._count_prompt = lru_cache(_PROMPTS)(self._of_prompt)

    def count(self, text: str) -> int:
        """Return the number of tokens in *text*; special tokens count as ordinary text."""
        if len(text) <= _LINE:
            return self._of_line(text)
        return self._count_prompt(text) if len(text) <= _PROMPT else self._count(text)

    def _count(self, text: str) -> int:
        return sum(len(self._encoding.encode_ordinary(block)) for block in _blocks(text))

    def _of_prompt(self, text: str) -> int:
        return sum(
            self._of_line(line) if len(line) <= _LINE else self._count(line)
            for line in _lines(text)
        )

    def _of_line(self, line: str) -> int:
        """Count the number at the start of a line separately, since it differs between people."""
        end = line.find(". ", 0, _NUMBER) + 1
        if end:
            return self._count_line(line[:end]) + self._count_line(line[end:])
        return self._count_line(line)

    def reach(self, text: str, tokens: int) -> int:
        """Return how many whole characters of *text* its first *tokens* tokens cover."""
        characters = 0
        for block in _blocks(text):
            found = self._encoding.encode_ordinary(block)
            # The last token may end inside a character, which is then left out.
            covered = self._encoding.decode_bytes(found[:tokens]).decode("utf-8", "ignore")
            characters += len(covered)
            tokens -= len(found)
            if tokens <= 0:
                break
        return characters


@dataclass(frozen=True, slots=True)
class LoadedVocabulary:
    """The vocabulary to count with, and the reason if it is only the rough one."""

    vocabulary: TokenVocabulary
    problem: str = ""


# A cache alone would let two threads load at the same time.
_loading = threading.Lock()


def load() -> LoadedVocabulary:
    """Return the o200k vocabulary, loading it on the first call of the process."""
    if _load.cache_info().currsize:
        # Many threads count thousands of texts; once loaded, they need no lock.
        return _load()
    with _loading:
        return _load()


@cache
def _load() -> LoadedVocabulary:
    try:
        from tiktoken import Encoding

        # Built directly: a registered name, a cache folder or get_encoding() would change what
        # tiktoken does for everybody else in the process, or reach for the network.
        encoding = Encoding(
            "o200k_base",
            pat_str=_PATTERN,
            mergeable_ranks=ranks.bundled(),
            special_tokens={},
        )
    # A recommendation can do without an exact count, whatever is wrong with the package or the
    # file: counts are marked as rough, with the reason.
    except Exception as error:
        return LoadedVocabulary(RoughVocabulary(), f"{type(error).__name__}: {error}")
    return LoadedVocabulary(O200kVocabulary(encoding))


def _lines(text: str) -> Iterator[str]:
    """Split a text into lines, line ends included, where no token crosses the boundary."""
    held = ""
    for line in text.split("\n"):
        if held and line and not line[0].isspace() and line[0] != "/":
            yield held
            held = ""
        held += line + "\n"
    yield held[:-1]


def _blocks(text: str) -> Iterator[str]:
    if len(text) <= _BLOCK:
        yield text
        return
    at = 0
    while at < len(text):
        # Splitting a block without a seam costs a token or two.
        seam = _SEAM.search(text, at + _BLOCK // 2, at + _BLOCK)
        end = seam.start() if seam else at + _BLOCK
        yield text[at:end]
        at = end
