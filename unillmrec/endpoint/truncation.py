"""Whether the server has read all of a prompt: some cut it, and say nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

# No vocabulary in use needs fewer tokens than this share of our count for natural text.
_LEAST_SHARE = 0.75
# Below it, what a chat template adds and our own error weigh too much.
_SHORT = 400
# Some servers report the same small number for every prompt: that is no count.
_NO_COUNT = 64


def checked_prompt(
    usage: Usage, reported: object, contents: Sequence[str], where: tuple[str, str]
) -> Usage:
    """Return *usage* if it can be that of a prompt of these *contents*, *reported* by a server.

    A count that is none becomes unknown. *where* is the model and the server, for the error.

    Raises:
        Failure: most likely the prompt was cut, so that the answer is one to something else.
    """
    if usage.prompt is None:
        return usage
    # Some count what came from their cache apart; then only the total has it.
    read = max(usage.prompt, _total(reported) - (usage.completion or 0))
    # A token has at least one byte, and our own count costs more than theirs.
    if read >= _LEAST_SHARE * sum(len(each.encode("utf-8", "replace")) for each in contents):
        return usage
    counted = TokenCounter.for_model(where[0]).count_messages(contents)
    if counted < _SHORT or read >= _LEAST_SHARE * counted:
        return usage
    if read < _NO_COUNT:
        return replace(usage, prompt=None, cached=None, known_prompt=0)
    raise Failure(
        FailureKind.TOO_LONG,
        f"{where[0]!r} at {where[1]} has read {read:,} tokens of a prompt of about {counted:,}.",
        detail="The server cuts prompts and does not say so; the answer is not used.",
        remedy="a longer context on the server (num_ctx, --ctx-size), or fewer choices.",
        usage=usage,
    )


def _total(reported: object) -> int:
    total = reported.get("total_tokens") if isinstance(reported, Mapping) else None
    return total if type(total) is int else 0
