"""What is in a good answer: a chat completion, a list of vectors, and what each has cost."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from unillmrec.endpoint.access import Access
from unillmrec.endpoint.contract import FailureKind
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.letter_probabilities import Shares, read_shares
from unillmrec.items import one_line
from unillmrec.replies.reasoning import split_reasoning
from unillmrec.usage import Usage


@dataclass(frozen=True, slots=True)
class Completion:
    """The first choice of a chat completion.

    *thought* says whether the model was seen to think before it answered. *shares* are the
    probabilities of the labels that were asked for; None if the server told none.
    """

    text: str
    finish: str | None
    model: str | None
    usage: Usage
    thought: bool = False
    shares: Shares | None = None


def read_completion(
    payload: Mapping[str, object],
    access: Access,
    model: str,
    max_output: int,
    labels: Sequence[str] = (),
) -> Completion:
    """Return the text of an answer, and what it tells of *labels*.

    A text that was cut or filtered half-way is returned with the server's reason in
    *finish*: what is complete in it can still be used.

    Raises:
        Failure: there is no text, and nothing about labels. It carries what the answer cost.
    """
    usage = read_usage(payload.get("usage"))
    choice, message = first_choice(payload)
    text, finish = read_text(message.get("content")), _word(choice.get("finish_reason"))
    shares = read_shares(choice.get("logprobs"), labels) if labels else None
    if text.strip() or shares:
        thought = bool(usage.reasoning) or has_thought(message)
        return Completion(text, finish, _word(payload.get("model")), usage, thought, shares)
    source = f"{model!r} at {access.name}"
    if not choice:
        problem = f"the answer of {source} holds no choices."
        raise Failure(FailureKind.EMPTY, problem, remedy="another model or endpoint.", usage=usage)
    refusal = access.redact(one_line(read_text(message.get("refusal")), 200))
    if refusal or finish == "content_filter":
        raise Failure(
            FailureKind.FILTERED,
            f"{source} refused to answer.",
            detail=f"It says: {refusal!r}." if refusal else "A content filter stopped it.",
            remedy="another model, or leave out the items it objects to.",
            usage=usage,
        )
    if finish == "length":
        raise Failure(
            FailureKind.CUT,
            f"{source} used up its {max_output:,} output tokens before it began to answer.",
            detail=_thought(usage),
            remedy="a model that thinks less, or a larger output limit for the stage.",
            usage=usage,
        )
    raise Failure(
        FailureKind.EMPTY,
        f"the answer of {source} is empty.",
        detail=f"It ended with {finish!r}." if finish else "",
        remedy="another model; --trace FILE shows the exchange.",
        usage=usage,
    )


def read_usage(reported: object) -> Usage:
    """Return the usage of one answer, as the server reported it.

    A count that is missing, or cannot be true, is unknown.
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
        # Some servers leave the thinking out of the completion; then only the total has it.
        apart = (prompt or 0) + (completion or 0) + reasoning
        if _count(report, "total_tokens") == apart:
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
        Failure: they are not what was asked for. It carries what the answer cost.
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


def has_thought(message: Mapping[str, object]) -> bool:
    """Return whether a message holds a thought, in a field of its own or in its text."""
    apart = message.get("reasoning_content") or message.get("reasoning")
    return bool(apart) or bool(split_reasoning(read_text(message.get("content")))[1])


def first_choice(
    payload: Mapping[str, object],
) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return the first choice and its message, empty where there is none."""
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


def _thought(usage: Usage) -> str:
    if not usage.reasoning:
        return "It may have spent them on thinking."
    return f"It spent {usage.reasoning:,} of them on thinking."


def _word(value: object) -> str | None:
    return one_line(value, 80) if isinstance(value, str) and value else None


def _count(report: object, name: str) -> int | None:
    value = report.get(name) if isinstance(report, Mapping) else None
    return value if type(value) is int and value >= 0 else None


def _first(one: int | None, other: int | None) -> int | None:
    return other if one is None else one


def _within(part: int | None, whole: int | None) -> int | None:
    return None if part is not None and whole is not None and part > whole else part


def _vector(value: object) -> list[float] | None:
    if not isinstance(value, list) or not value:
        return None
    if not all(type(number) in (int, float) and math.isfinite(number) for number in value):
        return None
    return [float(number) for number in value]
