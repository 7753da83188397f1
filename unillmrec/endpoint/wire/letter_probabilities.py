"""How probable each label is as the answer, from the log probabilities of its first token."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Shares: TypeAlias = tuple[tuple[str, float], ...]
"""Labels with their probabilities, the most probable first; they sum to at most one."""

# Blanks as vocabularies write them, and what may stand round a letter within one token.
_BEFORE = r"[\s\u2581\u0120\u010a\"'(\[*]*"
_AFTER = r"[\s\u2581\u0120\u010a\"')\]*.:,]*"
_LABEL = re.compile(rf"{_BEFORE}([A-Z]){_AFTER}")
# Above it, what a server calls log probabilities is something else.
_MOST = 1.02


def read_shares(logprobs: object, labels: Sequence[str]) -> Shares | None:
    """Return how probable each of *labels* is; None if nothing can be read of it.

    Every way of writing a label counts, with or without a blank; a small letter does not,
    for it begins a word more often than it names a line. Only the first token is looked at:
    the log probabilities of servers do not line up with the text that comes after it.
    """
    alternatives = first_token(logprobs)
    if len(alternatives) < 2 or sum(alternatives.values()) > _MOST:
        return None
    shares: dict[str, float] = {}
    for token, probability in alternatives.items():
        match = _LABEL.fullmatch(token)
        if match and match[1] in labels:
            shares[match[1]] = shares.get(match[1], 0.0) + probability
    total = max(1.0, sum(shares.values()))
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((label, share / total) for label, share in ranked if share > 0)


def first_token(logprobs: object) -> dict[str, float]:
    """Return the alternatives to the first token of an answer, and their probabilities."""
    first = _first(logprobs)
    if first is None:
        return {}
    others = first.get("top_logprobs")
    found: dict[str, float] = {}
    # The token that was drawn may be among the others, or be none of the likeliest.
    for entry in [first, *(others if isinstance(others, list) else ())]:
        token = entry.get("token") if isinstance(entry, Mapping) else None
        probability = _probability(entry.get("logprob")) if isinstance(entry, Mapping) else None
        if isinstance(token, str) and probability is not None:
            found[token] = probability
    return found


def drawn_token(logprobs: object) -> str:
    """Return the first token of the answer, as the log probabilities tell it."""
    token = (_first(logprobs) or {}).get("token")
    return token if isinstance(token, str) else ""


def _first(logprobs: object) -> Mapping[str, object] | None:
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = positions[0] if isinstance(positions, list) and positions else None
    return first if isinstance(first, Mapping) else None


def _probability(logprob: object) -> float | None:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float) or math.isnan(logprob):
        return None
    return math.exp(logprob) if logprob <= 0.01 else None
