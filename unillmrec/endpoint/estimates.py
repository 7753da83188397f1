"""Our own token counts of a call, beside those that the server reported."""

from __future__ import annotations

from dataclasses import replace

from unillmrec.endpoint.contract import Request
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage


def with_estimates(usage: Usage, request: Request, text: str, counter: TokenCounter) -> Usage:
    """Return *usage* with our counts of the prompt and of the reply's *text* filled in."""
    return replace(
        usage,
        estimated_prompt=counter.count_messages([each.content for each in request.messages]),
        estimated_completion=counter.count(text),
    )
