"""Find out what a server can do, with a handful of small requests."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unillmrec.endpoint.capabilities.negotiation import LOGPROBS
from unillmrec.endpoint.capabilities.probe_call import ProbeClient, ProbeResult
from unillmrec.endpoint.capabilities.request_style import LIMITS, LimitParameter, RequestStyle
from unillmrec.endpoint.capabilities.schema_check import text_conforms
from unillmrec.endpoint.contract import ResponseFormat
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.letter_probabilities import (
    Shares,
    read_first_token,
    read_shares,
    sampled_token,
)
from unillmrec.tokens import TokenCounter

# A server that counts fewer tokens than this share of our count has truncated the prompt: no
# vocabulary we know of writes natural text so much shorter.
LEAST_COUNTED = 0.75
# The length of our longest prompts.
LONG_PROMPT = 4_000
LEAST_ON_LABELS = 0.5
_SMALL_LIMIT = 12
# An answer may be a little longer than its limit, because servers count the end differently.
_SLACK = 4
_ANSWER_TOKENS = 64
_REASONING_TOKENS = 700
_MODELS_SECONDS = 15.0

_COUNTING = "Write the numbers from 1 to 40 with commas between them, and nothing else."
_CODE = 'Answer with JSON: an object with the one field "code", a short word of your choice.'
_PRIMES = ", ".join(str(number) for number in range(101, 181))
_SUM = f'Here are numbers: {_PRIMES}. Answer with JSON: an object with "first", the first of them.'
_FILLER = "The lamp on the pier was lit at dusk and put out at dawn. "


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one probe: a short outcome, and the observation behind it."""

    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LabelProbe:
    """Prompts that are answered by a label.

    *messages* have one plainly right answer, *expected*; each of *neutral* is a prompt with its
    labels in which no label is better than another.
    """

    messages: Sequence[Any]
    labels: tuple[str, ...]
    expected: str
    neutral: Sequence[tuple[Sequence[Any], tuple[str, ...]]]


@dataclass(slots=True)
class Prober:
    """Probes one endpoint; *findings* are in the order of the probes, *style* follows from them.

    *on_progress* is called before each probe with its name.
    """

    endpoint: OpenAIEndpoint
    counter: TokenCounter
    on_progress: Callable[[str], None] = lambda name: None
    findings: list[Finding] = field(default_factory=list)
    style: RequestStyle = field(default_factory=RequestStyle)
    client: ProbeClient = field(init=False)
    reasons: bool = False
    context: int | None = None
    _small: ProbeResult = field(init=False, default_factory=ProbeResult)

    def __post_init__(self) -> None:
        self.client = ProbeClient(self.endpoint)

    def read_models(self) -> None:
        """Read the server's list of models, which costs nothing.

        Raises:
            CallError: the server could not be reached, or rejects the key.
        """
        self.on_progress("models")
        payload = self.endpoint.models(_MODELS_SECONDS) or {}
        rows = payload.get("data")
        models = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
        names = [str(row.get("id")) for row in models]
        own = next((row for row in models if row.get("id") == self.endpoint.model), None)
        if not names:
            self._add("model", "no list", "the server lists no models")
        elif own is None:
            listed = ", ".join(names[:5]) + (", …" if names[5:] else "")
            self._add("model", "not listed", f"listed are {listed}")
        else:
            self._add("model", "listed", f"{len(names)} in the list")
        self.context = _context(own) if own is not None else None
        self._add("context", f"{self.context:,} tokens" if self.context else "not reported")

    def probe_limit(self) -> None:
        """Find the parameter that limits the length of an answer, and whether the model reasons.

        Raises:
            CallError: the server answers no request at all.
        """
        self.on_progress("limit")
        results: dict[LimitParameter, ProbeResult] = {}
        for name in LIMITS:
            results[name] = self.client.ask(_COUNTING, {name: _SMALL_LIMIT})
            if self._is_within_limit(results[name]):
                self._settle_limit(name, name, results[name])
                return
            if not results[name].answered and not results[name].refused:
                break
        answered = [name for name in results if results[name].answered]
        if not answered:
            failure = next(each.failure for each in results.values())
            assert failure is not None
            raise failure
        self._settle_limit(answered[-1], "ignored", results[answered[-1]])

    def _is_within_limit(self, result: ProbeResult) -> bool:
        reported = result.usage.completion
        counted = self.counter.count(result.text)
        # The server's count is better than ours, but some servers count what they cut off.
        return result.answered and min(reported or counted, counted) <= _SMALL_LIMIT + _SLACK

    def _settle_limit(self, name: LimitParameter, outcome: str, result: ProbeResult) -> None:
        self.style = replace(self.style, limit_parameter=name)
        self._add("limit", outcome)
        spent_on_reasoning = not result.text.strip() and result.finish == "length"
        self.reasons = result.has_reasoning or spent_on_reasoning
        self._add("thinking", "yes" if self.reasons else "no")
        self._small = result

    def probe_temperature(self) -> None:
        """Find out whether the server accepts temperature 0."""
        self.on_progress("temperature")
        result = self._ask("Say ok.", _SMALL_LIMIT, temperature=0)
        outcome = "accepted" if result.answered else _failure_outcome(result)
        self._add("temperature", outcome, result.failure_detail)
        if result.refused or self.reasons:
            self.style = replace(self.style, temperature=False)

    def probe_formats(self) -> None:
        """Find the strictest response format that works, and whether the usage is plausible."""
        self.on_progress("schema")
        nonce = secrets.token_hex(6)
        schema = _schema_requiring(nonce)
        json_schema = {"name": "code", "strict": True, "schema": schema}
        result = self._ask(
            _CODE,
            self._max_output(),
            response_format={"type": "json_schema", "json_schema": json_schema},
        )
        enforced = nonce in result.text and text_conforms(result.text, schema)
        self._add("schema", *_format_outcome(result, "enforced" if enforced else "ignored"))
        self.on_progress("json object")
        large = self._ask(_SUM, self._max_output(), response_format={"type": "json_object"})
        works = _is_json_object(large.text)
        self._add("json object", *_format_outcome(large, "works" if works else "ignored"))
        outcomes = {each.name: each.outcome for each in self.findings}
        self.style = replace(self.style, response_format=_strictest_format(outcomes))
        self._judge_usage(self._ask(_SUM, self._max_output()) if large.refused else large)

    def _judge_usage(self, large: ProbeResult) -> None:
        few, many = self._small.usage.prompt, large.usage.prompt
        if not large.answered:
            self._add("usage", "unknown", large.failure_detail)
            return
        if few is None or many is None:
            self._add("usage", "none")
        else:
            grown = self.counter.count(_SUM) - self.counter.count(_COUNTING)
            plausible = 0.5 * grown <= many - few <= 3 * grown + 20
            detail = f"{few:,} and {many:,} prompt tokens for two requests"
            self._add("usage", "plausible" if plausible else "implausible", detail)
        cached = (self._small.usage.cached, large.usage.cached)
        reported = any(each is not None for each in cached)
        self._add("cached tokens", "reported" if reported else "not reported")

    def probe_length(self) -> None:
        """Find out whether a prompt as long as our longest ones is read completely."""
        if self.context is not None:
            short = self.context < LONG_PROMPT + self._max_output()
            outcome = "too long" if short else "fits"
            self._add("long prompt", outcome, "by the context that the server reports")
            return
        self.on_progress("long prompt")
        nonce = secrets.token_hex(4)
        prompt = (
            f"The password is {nonce}.\n"
            f"{_FILLER * (LONG_PROMPT // self.counter.count(_FILLER))}\n"
            "Which password stands at the beginning? Answer with it and nothing else."
        )
        result = self._ask(prompt, self._max_output())
        count, reported = self.counter.count_messages([prompt]), result.usage.prompt
        if not result.answered:
            self._add("long prompt", _failure_outcome(result), result.failure_detail)
        elif reported is not None and reported < LEAST_COUNTED * count:
            self._add("long prompt", "cut", f"{reported:,} of about {count:,} tokens were read")
        elif reported is not None or nonce in result.text:
            self._add("long prompt", "fits", f"about {count:,} tokens were read")
        else:
            detail = "it reports no usage, and its answer does not repeat the beginning"
            self._add("long prompt", "unknown", detail)

    def probe_labels(self, probe: LabelProbe) -> list[Shares]:
        """Find out whether label probabilities work; return those of the neutral prompts."""
        self.on_progress("log probabilities")
        result = self._ask(probe.messages, 1, **LOGPROBS)
        outcome, detail = _label_outcome(result, probe)
        self._add("log probabilities", outcome, detail)
        usable = None if outcome == "unknown" else outcome == "usable"
        self.style = replace(self.style, labels=usable)
        if not usable:
            return []
        self.on_progress("label bias")
        lists = [
            read_shares(self._ask(messages, 1, **LOGPROBS).logprobs, labels)
            for messages, labels in probe.neutral
        ]
        return [shares for shares in lists if shares]

    def _max_output(self) -> int:
        return _ANSWER_TOKENS + (_REASONING_TOKENS if self.reasons else 0)

    def _ask(self, prompt: str | Sequence[Any], limit: int, **fields: object) -> ProbeResult:
        return self.client.ask(prompt, {self.style.limit_parameter: limit}, **fields)

    def _add(self, name: str, outcome: str, detail: str = "") -> None:
        self.findings.append(Finding(name, outcome, detail))


def estimate_tokens(counter: TokenCounter, probe: LabelProbe, *, long: bool) -> int:
    """Return about how many tokens all probes take, prompts and answers together.

    *long* says whether a long prompt has to be sent.
    """
    prompts = [[_COUNTING], ["Say ok."], [_CODE], [_SUM]]
    prompts += [[each.content for each in probe.messages]]
    prompts += [[each.content for each in messages] for messages, _ in probe.neutral]
    sent = sum(map(counter.count_messages, prompts)) + (LONG_PROMPT if long else 0)
    return sent + 2 * _SMALL_LIMIT + 2 * _ANSWER_TOKENS + len(prompts)


def _label_outcome(result: ProbeResult, probe: LabelProbe) -> tuple[str, str]:
    """Return the outcome of a probe that asks for a label, and the observation behind it."""
    if not result.answered:
        return _failure_outcome(result), result.failure_detail
    alternatives = read_first_token(result.logprobs)
    shares = read_shares(result.logprobs, probe.labels)
    if not alternatives:
        return "none", "the request was accepted, but the answer has none"
    if shares is None and len(alternatives) == 1:
        return "only one", "one alternative came back of twenty that were requested"
    if shares is None:
        return "no probabilities", "the reported values sum to more than one"
    best = max(alternatives, key=lambda token: alternatives[token])
    on_labels = sum(share for _, share in shares)
    if on_labels < LEAST_ON_LABELS:
        detail = f"the most likely token is {best!r}; letters have {on_labels:.0%}"
        return "not on letters", detail
    sampled, written = sampled_token(result.logprobs).strip(), result.text.strip()
    if written and not written.startswith(sampled):
        return "not aligned", f"it wrote {written[:20]!r}, but reported {sampled!r}"
    preferred, share = shares[0]
    if preferred != probe.expected:
        return "wrong letter", f"it preferred {preferred}, and {probe.expected} is plainly right"
    return "usable", f"{on_labels:.0%} on the letters, {share:.0%} on the right one"


def _schema_requiring(nonce: str) -> dict[str, object]:
    """Return a schema that allows only *nonce*, which the prompt does not contain."""
    return {
        "type": "object",
        "properties": {"code": {"type": "string", "enum": [nonce]}},
        "required": ["code"],
        "additionalProperties": False,
    }


def _format_outcome(result: ProbeResult, outcome: str) -> tuple[str, str]:
    if not result.answered:
        return _failure_outcome(result), result.failure_detail
    if not result.text.strip():
        return "unknown", "the answer was empty"
    return outcome, ""


def _failure_outcome(result: ProbeResult) -> str:
    return "refused" if result.refused else "unknown"


def _strictest_format(outcomes: Mapping[str, str]) -> ResponseFormat:
    if outcomes["schema"] in ("enforced", "unknown"):
        return "json_schema"
    return "json_object" if outcomes["json object"] in ("works", "unknown") else "text"


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _context(row: Mapping[str, Any]) -> int | None:
    """Return how many tokens a model takes, under whatever name its server reports it."""
    meta = row.get("meta")
    places = (
        (row, ("max_model_len", "max_input_tokens", "context_length", "context_window")),
        (meta if isinstance(meta, Mapping) else {}, ("n_ctx",)),
    )
    for where, names in places:
        for name in names:
            value = where.get(name)
            if type(value) is int and value > 0:
                return value
    return None
