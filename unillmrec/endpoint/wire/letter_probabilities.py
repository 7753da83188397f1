"""Read how probable each label is as the answer, from the log probabilities of one token."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

Shares: TypeAlias = tuple[tuple[str, float], ...]
"""Labels with their probabilities, most probable first; they sum to at most one."""

# Spaces as vocabularies write them, and what may surround a letter within one token.
_BEFORE = r"[\s\u2581\u0120\u010a\"'(\[*]*"
_AFTER = r"[\s\u2581\u0120\u010a\"')\]*.:,]*"
_LABEL = re.compile(rf"{_BEFORE}([A-Z]){_AFTER}")
# If they sum to more than this, the server's log probabilities are something else.
_LARGEST_SUM = 1.02


def read_shares(logprobs: object, labels: Sequence[str]) -> Shares | None:
    """Return how probable each of *labels* is; None if the log probabilities are unusable.

    Every spelling of a label counts, with or without a space, but a lower-case one does not: it
    begins a word more often than it names a choice. Only the first token is read, because the log
    probabilities of some servers do not line up with the text after it.
    """
    alternatives = read_first_token(logprobs)
    if len(alternatives) < 2 or sum(alternatives.values()) > _LARGEST_SUM:
        return None
    shares: dict[str, float] = {}
    for token, probability in alternatives.items():
        match = _LABEL.fullmatch(token)
        if match and match[1] in labels:
            shares[match[1]] = shares.get(match[1], 0.0) + probability
    total = max(1.0, sum(shares.values()))
    ranked = sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple((label, share / total) for label, share in ranked if share > 0)


def read_first_token(logprobs: object) -> dict[str, float]:
    """Return the probabilities of the alternatives for the first token of an answer."""
    first = _first(logprobs)
    if first is None:
        return {}
    others = first.get("top_logprobs")
    probabilities: dict[str, float] = {}
    # The sampled token may be among the alternatives, or be less likely than all of them.
    for entry in [first, *(others if isinstance(others, list) else ())]:
        token = entry.get("token") if isinstance(entry, Mapping) else None
        probability = _probability(entry.get("logprob")) if isinstance(entry, Mapping) else None
        if isinstance(token, str) and probability is not None:
            probabilities[token] = probability
    return probabilities


def sampled_token(logprobs: object) -> str:
    """Return the first token of the answer according to its log probabilities."""
    token = (_first(logprobs) or {}).get("token")
    return token if isinstance(token, str) else ""


def _first(logprobs: object) -> Mapping[str, object] | None:
    positions = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = positions[0] if isinstance(positions, list) and positions else None
    return first if isinstance(first, Mapping) else None


def _probability(logprob: object) -> float | None:
    if isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    # Not a number compares as false. An integer may be too large for a float.
    return math.exp(max(logprob, -1e6)) if logprob <= 0.01 else None
