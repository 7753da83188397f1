"""Count and truncate text in tokens, and say how reliable the count is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Literal, TypeAlias

from unillmrec.tokens.vocabulary import load

Method: TypeAlias = Literal["exact", "estimate", "rough"]
"""How a count was made, shown with every count."""

# Model names whose vocabulary is o200k, bare, fine-tuned, or behind the name of a provider:
# "gpt-4o-mini", "ft:gpt-4.1:shop::x1", "openrouter/openai/o3", "openai.gpt-oss-120b-1:0".
_O200K_MODEL = re.compile(
    r"(?:.*/)?(?:ft:|(?:openai|azure)[:.])?"
    r"(?:(?:chat)?gpt-4o|gpt-4\.[15]|gpt-5|gpt-oss|o[134])(?![a-z0-9])",
    re.IGNORECASE,
)

# Shares to add before a count is compared with a limit. Measured on titles, plots and JSON with
# nine other vocabularies; beyond Latin letters they part further.
_MARGINS: dict[Method, float] = {"exact": 0.02, "estimate": 0.35, "rough": 1.0}
_MARGIN_BEYOND_LATIN = 0.60

# What chat templates put round a message, and before the answer.
_PER_MESSAGE = 3
_PER_REQUEST = 3

_ELLIPSIS = "…"
# A cut text should not end in white space, or in a joiner that lost what it joins.
_LOOSE_END = re.compile(r"[\s\u200c\u200d]+\Z")


@dataclass(frozen=True, slots=True)
class TokenCounter:
    """Counts tokens for one model, as exactly as is possible offline.

    Nothing is loaded before the first count that needs it, and then once per process.
    """

    speaks_o200k: bool
    """Whether the model's own vocabulary is the bundled one."""

    @classmethod
    def for_model(cls, model: str | None) -> TokenCounter:
        """Return the counter for *model*, named as the endpoint names it."""
        return cls(bool(model and _O200K_MODEL.match(model.strip())))

    @property
    def method(self) -> Method:
        """How counts are made.

        "exact" with the model's own vocabulary, "estimate" with o200k for a model with another
        one, "rough" from characters alone if o200k cannot be loaded.
        """
        if load().problem:
            return "rough"
        return "exact" if self.speaks_o200k else "estimate"

    @property
    def problem(self) -> str:
        """Why the method is only "rough"; empty otherwise."""
        return load().problem

    @property
    def margin(self) -> float:
        """The share by which the model's own count may be higher for text in Latin letters."""
        return _MARGINS[self.method]

    def count(self, text: str) -> int:
        """Return the number of tokens in *text*; special tokens count as ordinary text."""
        return load().vocabulary.count(text)

    def count_messages(self, contents: Sequence[str]) -> int:
        """Return the number of prompt tokens of messages with these *contents*."""
        return sum(map(self.count, contents)) + _PER_MESSAGE * len(contents) + _PER_REQUEST

    def at_most(self, contents: Sequence[str]) -> int:
        """Return an upper bound for the server's count of these messages, margin included."""
        margin = self.margin
        if self.method == "estimate" and _beyond_latin("".join(contents)):
            margin = _MARGIN_BEYOND_LATIN
        return ceil(self.count_messages(contents) * (1 + margin))

    def cut(self, text: str, limit: int) -> str:
        """Return *text*, truncated to *limit* tokens with a trailing ellipsis.

        Text is cut between two tokens and never inside a character. Texts of at most *limit* bytes
        are returned without counting.
        """
        if limit <= 0:
            return ""
        # A token is at least a byte, so this needs no vocabulary.
        if len(text) <= limit and len(text.encode("utf-8", "surrogatepass")) <= limit:
            return text
        vocabulary = load().vocabulary
        # What lies beyond could not fit even in the longest tokens: a book costs like a page.
        head = text[: limit * vocabulary.longest]
        if len(head) == len(text) and vocabulary.count(text) <= limit:
            return text
        for keep in range(limit, -1, -1):
            head = head[: vocabulary.reach(head, keep)]
            shortened = _LOOSE_END.sub("", head) + _ELLIPSIS
            if vocabulary.count(shortened) <= limit:
                return shortened
        return ""


def _beyond_latin(text: str) -> bool:
    beyond = sum(one >= "\u0250" and not "\u2000" <= one <= "\u206f" for one in text)
    return beyond * 10 > len(text)
