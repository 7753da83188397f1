"""What a server can do, found out with a handful of small requests."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from unillmrec.endpoint.capabilities.probe_call import Listener, ProbeResult
from unillmrec.endpoint.capabilities.request_style import (
    LIMITS,
    LOGPROBS,
    LimitParameter,
    RequestStyle,
)
from unillmrec.endpoint.capabilities.schema_check import text_conforms
from unillmrec.endpoint.contract import ResponseFormat
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.letter_probabilities import (
    Shares,
    drawn_token,
    first_token,
    read_shares,
)
from unillmrec.tokens import TokenCounter

# A server that counts fewer tokens than this share of our count has cut the prompt: no
# vocabulary we know of writes natural text so much shorter.
LEAST_COUNTED = 0.75
# As long as our own prompts can be.
LONG_PROMPT = 4_000
LEAST_ON_LABELS = 0.5
_FEW = 12
# An answer may be a little longer than a limit says, for servers count ends differently.
_SLACK = 4
_ROOM = 64
_THINKING_ROOM = 700
_LOOK_SECONDS = 15.0

_COUNTING = "Write the numbers from 1 to 40 with commas between them, and nothing else."
_CODE = 'Answer with JSON: an object with the one field "code", a short word of your choice.'
_PRIMES = ", ".join(str(number) for number in range(101, 181))
_SUM = f'Here are numbers: {_PRIMES}. Answer with JSON: an object with "first", the first of them.'
_FILLER = "The lamp on the pier was lit at dusk and put out at dawn. "


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one probe, in a word or two, and what it was told by."""

    name: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LabelProbe:
    """Messages whose answer is plainly one label, and others with no better answer."""

    messages: Sequence[Any]
    labels: tuple[str, ...]
    expected: str
    empty: Sequence[tuple[Sequence[Any], tuple[str, ...]]]


@dataclass(slots=True)
class Prober:
    """Looks at one endpoint; the findings come in the order in which they were made.

    *told* is called before each probe with its name.
    """

    endpoint: OpenAIEndpoint
    counter: TokenCounter
    told: Callable[[str], None] = lambda name: None
    findings: list[Finding] = field(default_factory=list)
    way: RequestStyle = field(default_factory=RequestStyle)
    listener: Listener = field(init=False)
    thinks: bool = False
    context: int | None = None
    _small: ProbeResult = field(init=False, default_factory=ProbeResult)

    def __post_init__(self) -> None:
        self.listener = Listener(self.endpoint)

    def look(self) -> None:
        """Ask for the list of models, which costs nothing."""
        self.told("models")
        payload = self.endpoint.models(_LOOK_SECONDS) or {}
        rows = payload.get("data")
        models = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
        names = [str(row.get("id")) for row in models]
        own = next((row for row in models if row.get("id") == self.endpoint.model), None)
        if not names:
            self._find("model", "no list", "the server lists no models")
        elif own is None:
            shown = ", ".join(names[:5]) + (", …" if names[5:] else "")
            self._find("model", "not listed", f"listed are {shown}")
        else:
            self._find("model", "listed", f"{len(names)} in the list")
        self.context = _context(own) if own is not None else None
        told = f"{self.context:,} tokens" if self.context else "not told"
        self._find("context", told)

    def probe_limit(self) -> None:
        """Find the parameter that limits an answer; sees whether the model thinks.

        Raises:
            CallError: the server answers no request at all.
        """
        self.told("limit")
        heard: dict[LimitParameter, ProbeResult] = {}
        for name in LIMITS:
            heard[name] = self.listener.ask(_COUNTING, {name: _FEW})
            if self._obeyed(heard[name]):
                self._settle_limit(name, name, heard[name])
                return
            if not heard[name].answered and not heard[name].refused:
                break
        answered = [name for name in heard if heard[name].answered]
        if not answered:
            failure = next(each.failure for each in heard.values())
            assert failure is not None
            raise failure
        self._settle_limit(answered[-1], "ignored", heard[answered[-1]])

    def _obeyed(self, heard: ProbeResult) -> bool:
        written = heard.usage.completion
        counted = self.counter.count(heard.text)
        # A count of the server's own is better than ours, but some count what they cut off.
        return heard.answered and min(written or counted, counted) <= _FEW + _SLACK

    def _settle_limit(self, name: LimitParameter, outcome: str, heard: ProbeResult) -> None:
        self.way = replace(self.way, limit_parameter=name)
        self._find("limit", outcome)
        self.thinks = heard.thought or (not heard.text.strip() and heard.finish == "length")
        self._find("thinking", "yes" if self.thinks else "no")
        self._small = heard

    def probe_temperature(self) -> None:
        """See whether chance can be turned off."""
        self.told("temperature")
        heard = self._ask("Say ok.", _FEW, temperature=0)
        self._find("temperature", _taken(heard), heard.unanswered)
        if heard.refused or self.thinks:
            self.way = replace(self.way, temperature=False)

    def probe_formats(self) -> None:
        """See how strictly the form of an answer can be asked for, and whether usage is true."""
        self.told("schema")
        nonce = secrets.token_hex(6)
        schema = _schema_of(nonce)
        asked = {"name": "code", "strict": True, "schema": schema}
        heard = self._ask(
            _CODE, self._room(), response_format={"type": "json_schema", "json_schema": asked}
        )
        enforced = nonce in heard.text and text_conforms(heard.text, schema)
        self._find("schema", *_form(heard, "enforced" if enforced else "ignored"))
        self.told("json object")
        large = self._ask(_SUM, self._room(), response_format={"type": "json_object"})
        works = _is_object(large.text)
        self._find("json object", *_form(large, "works" if works else "ignored"))
        outcomes = {each.name: each.outcome for each in self.findings}
        self.way = replace(self.way, response_format=_strictest(outcomes))
        self._judge_usage(self._ask(_SUM, self._room()) if large.refused else large)

    def _judge_usage(self, large: ProbeResult) -> None:
        few, many = self._small.usage.prompt, large.usage.prompt
        if not large.answered:
            self._find("usage", "unknown", large.unanswered)
            return
        if few is None or many is None:
            self._find("usage", "none")
        else:
            grown = self.counter.count(_SUM) - self.counter.count(_COUNTING)
            true = 0.5 * grown <= many - few <= 3 * grown + 20
            told = f"{few:,} and {many:,} prompt tokens for two requests"
            self._find("usage", "plausible" if true else "implausible", told)
        cached = (self._small.usage.cached, large.usage.cached)
        told = "reported" if any(each is not None for each in cached) else "not reported"
        self._find("cached tokens", told)

    def probe_length(self) -> None:
        """See whether a prompt as long as ours can be is read as a whole."""
        if self.context is not None:
            short = self.context < LONG_PROMPT + self._room()
            self._find("long prompt", "too long" if short else "fits", "by the context it tells")
            return
        self.told("long prompt")
        nonce = secrets.token_hex(4)
        times = LONG_PROMPT // self.counter.count(_FILLER)
        asked = (
            f"The password is {nonce}.\n{_FILLER * times}\n"
            "Which password stands at the beginning? Answer with it and nothing else."
        )
        heard = self._ask(asked, self._room())
        count, told = self.counter.count_messages([asked]), heard.usage.prompt
        if not heard.answered:
            outcome = "refused" if heard.refused else "unknown"
            self._find("long prompt", outcome, heard.unanswered)
        elif told is not None and told < LEAST_COUNTED * count:
            self._find("long prompt", "cut", f"{told:,} of about {count:,} tokens were read")
        elif told is not None or nonce in heard.text:
            self._find("long prompt", "fits", f"about {count:,} tokens were read")
        else:
            detail = "it reports no usage, and its answer does not show the beginning"
            self._find("long prompt", "unknown", detail)

    def probe_labels(self, probe: LabelProbe) -> list[Shares]:
        """See whether the probabilities of labels can be had; return those of empty lists."""
        self.told("log probabilities")
        heard = self._ask(probe.messages, 1, **LOGPROBS)
        outcome, detail = self._labels(heard, probe)
        self._find("log probabilities", outcome, detail)
        usable: bool | None = outcome == "usable"
        if outcome == "unknown":
            usable = None
        self.way = replace(self.way, labels=usable)
        if not usable:
            return []
        self.told("label bias")
        lists = [
            read_shares(self._ask(messages, 1, **LOGPROBS).logprobs, labels)
            for messages, labels in probe.empty
        ]
        return [shares for shares in lists if shares]

    def _labels(self, heard: ProbeResult, probe: LabelProbe) -> tuple[str, str]:
        """Return what is to be said of the answer to a question with labels."""
        if not heard.answered:
            return ("refused" if heard.refused else "unknown"), heard.unanswered
        alternatives = first_token(heard.logprobs)
        shares = read_shares(heard.logprobs, probe.labels)
        if not alternatives:
            return "none", "the request was taken, and nothing came back"
        if shares is None and len(alternatives) == 1:
            return "one alone", "of twenty alternatives that were asked for, one is told"
        if shares is None:
            return "no probabilities", "what it tells sums to more than one"
        best = max(alternatives, key=lambda token: alternatives[token])
        on_labels = sum(share for _, share in shares)
        if on_labels < LEAST_ON_LABELS:
            return (
                "off the letters",
                f"it was about to write {best!r}; letters have {on_labels:.0%}",
            )
        drawn, written = drawn_token(heard.logprobs).strip(), heard.text.strip()
        if written and not written.startswith(drawn):
            return "not aligned", f"it wrote {written[:20]!r}, and told of {drawn!r}"
        if shares[0][0] != probe.expected:
            return "astray", f"{shares[0][0]} was preferred where {probe.expected} is plain"
        return "usable", f"{on_labels:.0%} on the letters, {shares[0][1]:.0%} on the plain one"

    def _room(self) -> int:
        return _ROOM + (_THINKING_ROOM if self.thinks else 0)

    def _ask(self, asked: str | Sequence[Any], limit: int, **fields: object) -> ProbeResult:
        return self.listener.ask(asked, {self.way.limit_parameter: limit}, **fields)

    def _find(self, name: str, outcome: str, detail: str = "") -> None:
        self.findings.append(Finding(name, outcome, detail))


def cost_of(counter: TokenCounter, probe: LabelProbe, *, long: bool) -> int:
    """Return about how many tokens all probes take, prompts and answers."""
    asked = [[_COUNTING], ["Say ok."], [_CODE], [_SUM]]
    asked += [[each.content for each in probe.messages]]
    asked += [[each.content for each in messages] for messages, _ in probe.empty]
    prompts = sum(map(counter.count_messages, asked)) + (LONG_PROMPT if long else 0)
    return prompts + 2 * _FEW + 2 * _ROOM + len(asked)


def _schema_of(nonce: str) -> dict[str, object]:
    """Return a schema with one legal value, which stands nowhere in the prompt."""
    return {
        "type": "object",
        "properties": {"code": {"type": "string", "enum": [nonce]}},
        "required": ["code"],
        "additionalProperties": False,
    }


def _form(heard: ProbeResult, outcome: str) -> tuple[str, str]:
    if not heard.answered:
        return ("refused" if heard.refused else "unknown"), heard.unanswered
    if not heard.text.strip():
        return "unknown", "the answer was empty"
    return outcome, ""


def _taken(heard: ProbeResult) -> str:
    return "taken" if heard.answered else "refused" if heard.refused else "unknown"


def _strictest(outcomes: Mapping[str, str]) -> ResponseFormat:
    if outcomes["schema"] in ("enforced", "unknown"):
        return "json_schema"
    return "json_object" if outcomes["json object"] in ("works", "unknown") else "text"


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False


def _context(row: Mapping[str, Any]) -> int | None:
    """Return how many tokens a model takes, by whatever name its server calls it."""
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
