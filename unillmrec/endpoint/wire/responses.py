"""Read good answers: the text of a chat completion, vectors, and their usage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unillmrec.endpoint.access import Access
from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.letter_probabilities import Shares, read_shares
from unillmrec.items import one_line
from unillmrec.replies.reasoning import split_reasoning
from unillmrec.usage import Usage

# No answer has more: what a server reports beyond that is a mistake, and unknown.
_MOST_TOKENS = 10**10
_MOST_DIMENSIONS = 65_536
# Its square is still a number, so that vectors have lengths.
_LARGEST = 1e150
# The longest tokens of ordinary text have some sixteen characters, and most a quarter of that.
_CHARACTERS_PER_TOKEN = 16


@dataclass(frozen=True, slots=True)
class Completion:
    """The first choice of a chat completion.

    *has_reasoning* says whether the model was seen to reason before it answered. *shares* are the
    probabilities of the requested labels; None if the server reported none.
    """

    text: str
    finish: str | None
    model: str | None
    usage: Usage
    has_reasoning: bool = False
    shares: Shares | None = None


def read_completion(
    payload: Mapping[str, object],
    access: Access,
    model: str,
    max_output: int,
    labels: Sequence[str] = (),
) -> Completion:
    """Return the text of an answer, and the probabilities of *labels* as its first token.

    A text of more than *max_output* tokens is cut, before anybody counts or parses it. One that was
    cut off or filtered half-way is returned with the server's reason in *finish*:
    the complete part of it can still be used.

    Raises:
        Failure: there is neither a text nor a label. The failure carries the answer's usage.
    """
    usage = read_usage(payload.get("usage"))
    choice, message = first_choice(payload)
    text, finish = read_text(message.get("content")), _word(choice.get("finish_reason"))
    longest = max_output * _CHARACTERS_PER_TOKEN
    if len(text) > longest:
        # The server ignored the limit; all that follows would take time without a deadline.
        text, finish = text[:longest], "length"
    shares = read_shares(choice.get("logprobs"), labels) if labels else None
    if text.strip() or shares:
        reasoned = bool(usage.reasoning) or has_reasoning(message)
        return Completion(text, finish, _word(payload.get("model")), usage, reasoned, shares)
    refusal = access.redact(one_line(read_text(message.get("refusal")), 200))
    source = f"{model!r} at {access.name}"
    raise _no_text(source, bool(choice), finish, refusal, usage, max_output)


def _no_text(
    source: str, has_choice: bool, finish: str | None, refusal: str, usage: Usage, max_output: int
) -> Failure:
    """Return the failure for an answer without a text, with a remedy for each cause."""
    if not has_choice:
        problem = f"the answer of {source} has no choices."
        return Failure(FailureKind.EMPTY, problem, remedy="another model or endpoint.", usage=usage)
    if refusal or finish == "content_filter":
        return Failure(
            FailureKind.FILTERED,
            f"{source} refused to answer.",
            detail=f"It says: {refusal!r}." if refusal else "A content filter stopped it.",
            remedy="another model, or leave out the items it objects to.",
            usage=usage,
        )
    if finish == "length":
        return Failure(
            FailureKind.CUT,
            f"{source} used up its {max_output:,} output tokens before it began to answer.",
            detail=_reasoning_detail(usage),
            remedy="a model that thinks less, or a larger output limit for the stage.",
            usage=usage,
        )
    return Failure(
        FailureKind.EMPTY,
        f"the answer of {source} is empty.",
        detail=f"It ended with {finish!r}." if finish else "",
        remedy="another model; --trace FILE shows the exchange.",
        usage=usage,
    )


def read_usage(reported: object) -> Usage:
    """Return the usage of one answer, as the server reported it.

    A count that is missing or impossible is unknown.
    """
    report = reported if isinstance(reported, Mapping) else {}
    prompt, completion = _count(report, "prompt_tokens"), _count(report, "completion_tokens")
    # DeepSeek and SGLang report these two beside the others instead of within the details.
    cached = _first(
        _count(report.get("prompt_tokens_details"), "cached_tokens"),
        _count(report, "prompt_cache_hit_tokens"),
    )
    reasoning = _first(
        _count(report.get("completion_tokens_details"), "reasoning_tokens"),
        _count(report, "reasoning_tokens"),
    )
    if reasoning and None not in (prompt, completion):
        # Some servers leave the reasoning out of the completion; only the total includes it.
        separate = (prompt or 0) + (completion or 0) + reasoning
        if _count(report, "total_tokens") == separate:
            completion = (completion or 0) + reasoning
    return Usage(
        calls=1,
        prompt=prompt,
        completion=completion,
        cached=_within(cached, prompt),
        reasoning=_within(reasoning, completion),
    )


def read_vectors(payload: Mapping[str, object], count: int, access: Access) -> list[list[float]]:
    """Return *count* vectors of one length, in the order of the texts.

    Raises:
        Failure: some are missing or unusable. The failure carries the answer's usage.
    """
    rows = payload.get("data")
    vectors: dict[int, list[float]] = {}
    for place, row in enumerate(rows if isinstance(rows, list) else ()):
        index = _count(row, "index")
        vector = _vector(row.get("embedding")) if isinstance(row, Mapping) else None
        if vector:
            vectors[place if index is None else index] = vector
    lengths = {len(vector) for vector in vectors.values()}
    if set(vectors) != set(range(count)) or len(lengths) > 1:
        raise Failure(
            FailureKind.EMPTY,
            f"{access.name} returned {len(vectors)} usable vectors for {count} texts.",
            detail="Each must be a list of finite numbers, and all of one length.",
            remedy="a --model that makes embeddings.",
            usage=read_usage(payload.get("usage")),
        )
    return [vectors[place] for place in range(count)]


def has_reasoning(message: Mapping[str, object]) -> bool:
    """Return whether a message holds reasoning, in a field of its own or in its text."""
    separate = message.get("reasoning_content") or message.get("reasoning")
    return bool(separate) or bool(split_reasoning(read_text(message.get("content")))[1])


def first_choice(
    payload: Mapping[str, object],
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return the first choice and its message; both are empty if there is none."""
    choices = payload.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    choice = choice if isinstance(choice, Mapping) else {}
    message = choice.get("message")
    return choice, message if isinstance(message, Mapping) else {}


def read_text(content: object) -> str:
    """Return *content* as text; some servers send it as a list of parts."""
    if isinstance(content, str):
        return content
    parts: Iterable[object] = content if isinstance(content, list) else ()
    texts = (part.get("text") if isinstance(part, Mapping) else part for part in parts)
    return "".join(text for text in texts if isinstance(text, str))


def _reasoning_detail(usage: Usage) -> str:
    if not usage.reasoning:
        return "It may have spent them on thinking."
    return f"It spent {usage.reasoning:,} of them on thinking."


def _word(value: object) -> str | None:
    return one_line(value, 80) if isinstance(value, str) and value else None


def _count(report: object, name: str) -> int | None:
    value = report.get(name) if isinstance(report, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MOST_TOKENS else None


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _within(part: int | None, whole: int | None) -> int | None:
    return None if part is not None and whole is not None and part > whole else part


def _vector(value: object) -> list[float] | None:
    if not isinstance(value, list) or not 0 < len(value) <= _MOST_DIMENSIONS:
        return None
    if not all(type(number) in (int, float) and abs(number) <= _LARGEST for number in value):
        return None
    return [float(number) for number in value]
