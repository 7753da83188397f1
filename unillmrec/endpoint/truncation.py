"""Detect servers that truncate a prompt silently."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

# No vocabulary in use has fewer tokens for natural text than this share of our count.
_LEAST_SHARE = 0.75
# In shorter prompts the chat template and our own error weigh too much.
_SHORT_PROMPT = 400
# Some servers report the same small number for every prompt, which counts nothing.
_PLACEHOLDER = 64


def check_truncation(
    usage: Usage, reported: object, contents: Sequence[str], source: tuple[str, str]
) -> Usage:
    """Return *usage* unless its prompt count is too small for messages with these *contents*.

    *reported* is the usage object of the answer. A placeholder in place of a count becomes
    unknown. *source* is the model and the server, for the error.

    Raises:
        Failure: the server has most likely truncated the prompt; the answer is to another one.
    """
    if usage.prompt is None:
        return usage
    # Some leave cached tokens out of the prompt count; only the total includes them.
    read = max(usage.prompt, _total(reported) - (usage.completion or 0))
    # A token has at least one byte, and counting bytes is cheaper than counting tokens.
    if read >= _LEAST_SHARE * sum(len(each.encode("utf-8", "replace")) for each in contents):
        return usage
    counted = TokenCounter.for_model(source[0]).count_messages(contents)
    if counted < _SHORT_PROMPT or read >= _LEAST_SHARE * counted:
        return usage
    if read < _PLACEHOLDER:
        return replace(usage, prompt=None, cached=None, known_prompt=0)
    raise Failure(
        FailureKind.TOO_LONG,
        f"{source[0]!r} at {source[1]} has read {read:,} tokens of a prompt of about {counted:,}.",
        detail="The server truncates prompts silently; the answer was not used.",
        remedy="a longer context on the server (num_ctx, --ctx-size), or fewer choices.",
        usage=usage,
    )


def _total(reported: object) -> int:
    total = reported.get("total_tokens") if isinstance(reported, Mapping) else None
    return total if type(total) is int else 0
