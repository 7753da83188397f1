"""Find parameters that a server accepts, by changing those it refuses one at a time.

A new quirk of a server's parameters belongs here: how it names the parameter that it refuses
(`_SPELLINGS`), with which status (`_REFUSALS`), and what is sent instead (`_drop`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from unillmrec.endpoint.capabilities.request_style import (
    FORMATS,
    LIMITS,
    LearnedStyle,
    RequestStyle,
)
from unillmrec.endpoint.capabilities.schema_check import text_conforms
from unillmrec.endpoint.contract import FailureKind, Request, ResponseFormat, Schema
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.responses import Completion

# Asks for the distribution over one token; servers show at most 20 alternatives.
LOGPROBS = {"logprobs": True, "top_logprobs": 20}
# A server that names no parameter in a field of its own may name it in its message. Only here is
# a message searched, and only for the names of parameters that we have sent.
_SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "response_format": ("response_format", "response format", "json_schema", "json_object"),
    "max_completion_tokens": ("max_completion_tokens",),
    "max_tokens": ("max_tokens",),
    "logprobs": ("logprobs", "top_logprobs"),
    "temperature": ("temperature",),
}
_REFUSALS = frozenset({200, 400, 404, 422, 500, 501})
# With these a refusal need not name the parameter; others may mean a missing model or page.
_NAMELESS_REFUSALS = frozenset({400, 422, 501})
_REFUSAL_KINDS = frozenset({FailureKind.REFUSED, FailureKind.SERVER, FailureKind.MODEL})


class NegotiatedRequest:
    """One request, whose parameters change until the server accepts them.

    It starts with the learned style, and adds to it what the answer shows about the server. The
    fields in *extra* are sent as they are; we neither send nor negotiate the same parameters.
    """

    def __init__(
        self, request: Request, model: str, learned: LearnedStyle, extra: Mapping[str, object]
    ) -> None:
        self._request = request
        self._model = model
        self._learned = learned
        # With a budget, the limit is the one that the budget reserved.
        self._extra = _without_limits(extra) if request.reservation else extra
        self._limit_changed = False
        self._refused: set[ResponseFormat] = set()
        self._format_in_doubt = False
        self._known = learned.style
        self.style = self._fit(learned.style)

    def body(self) -> dict[str, object]:
        """Return the JSON body to send, without optional fields, since some servers refuse them."""
        body: dict[str, object] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": _encodable(message.content)}
                for message in self._request.messages
            ],
        }
        if self._sends_limit():
            body[self.style.limit_parameter] = self._request.max_output
        if self._sends_temperature():
            body["temperature"] = 0
        if self._sends_logprobs():
            body |= LOGPROBS
        response_format = self._response_format()
        if response_format is not None:
            body["response_format"] = response_format
        return body | dict(self._extra)

    def downgrade(self, failure: Failure, *, repeated: bool) -> bool:
        """Change the parameter that *failure* is about; return False if it is about none.

        *repeated* says that the same request has failed before: a second error 500 that names no
        parameter counts as a refusal, a first one as an accident. If another call has learned a
        better style meanwhile, that style is tried first.
        """
        if failure.status not in _REFUSALS or failure.kind not in _REFUSAL_KINDS:
            return False
        return self._adopt_learned() or self._drop(self._refused_parameter(failure, repeated))

    def record_answer(self, answer: Completion) -> None:
        """Learn from a good answer what the server accepts."""
        if self._sends_limit():
            self._learned.accept_limit(self.style.limit_parameter)
        if self._sends_temperature():
            self._learned.accept_temperature()
        if answer.has_reasoning or (self._known.temperature and not self.style.temperature):
            # With temperature 0 a reasoning model may repeat itself without end.
            self._learned.drop_temperature()
        if self._request.labels:
            self._record_labels(answer)
        schema = self._request.schema
        if schema is None or "response_format" in self._extra or self._format_in_doubt:
            return
        self._learned.accept_format(self.style.response_format, self._refused)
        if self.style.response_format == "json_schema" and not self._learned.enforces_schema:
            self._check_schema(answer, schema)

    def _check_schema(self, answer: Completion, schema: Schema) -> None:
        """Record whether a reply conforms to its schema; a server may accept and ignore it."""
        if text_conforms(answer.text, schema.body):
            self._learned.record_conforming_reply()
        # A reply that was cut off conforms to no schema, enforced or not.
        elif answer.finish != "length":
            self._learned.record_ignored_schema()

    def _record_labels(self, answer: Completion) -> None:
        usable = self._sends_logprobs() and answer.shares is not None
        # One answer without them is no reason to give up what has worked.
        if usable or not self._learned.has_accepted("logprobs"):
            self._learned.record_labels(usable)

    def _fit(self, style: RequestStyle) -> RequestStyle:
        """Return *style* without a response format that this request cannot use."""
        if self._request.schema is None or "response_format" in self._extra:
            return replace(style, response_format="text")
        if style.response_format == "json_object" and not self._mentions_json():
            return replace(style, response_format="text")
        return style

    def _adopt_learned(self) -> bool:
        """Adopt the style that another call has learned; return False if nothing changes."""
        newer = self._learned.style
        if newer == self._known:
            return False
        self._known, before = newer, self.style
        style = self._fit(newer)
        if style.response_format in self._refused:
            style = replace(style, response_format=before.response_format)
        if self._limit_changed:
            style = replace(style, limit_parameter=before.limit_parameter)
        self.style = style
        return style != before

    def _drop(self, parameter: str | None) -> bool:
        """Leave out *parameter*, or send another one in its place."""
        if parameter == "response_format":
            self._refused.add(self.style.response_format)
            self.style = replace(self.style, response_format=self._next_format())
        elif parameter == "temperature":
            self.style = replace(self.style, temperature=False)
        elif parameter == "logprobs":
            self.style = replace(self.style, labels=False)
        elif parameter is not None and not self._limit_changed:
            self._limit_changed = True
            other = LIMITS[1 - LIMITS.index(self.style.limit_parameter)]
            self.style = replace(self.style, limit_parameter=other)
        else:
            return False
        return True

    def _refused_parameter(self, failure: Failure, repeated: bool) -> str | None:
        """Return which of our parameters is refused, or most likely is; None if none."""
        sent = self._negotiable()
        named = failure.error_body.parameters
        if named:
            return next((each for each in sent if set(_SPELLINGS[each]) & set(named)), None)
        text = failure.error_body.text
        for name in sent:
            if any(spelling in text for spelling in _SPELLINGS[name]):
                return name
        nameless = failure.status in _NAMELESS_REFUSALS or (failure.status == 500 and repeated)
        suspect = next(filter(self._is_suspect, sent), None) if nameless else None
        # If the temperature was to blame, the formats refused before it may work in the next call.
        self._format_in_doubt = self._format_in_doubt or suspect == "temperature"
        return suspect

    def _is_suspect(self, name: str) -> bool:
        """Return whether a refusal that names no parameter may be about *name*."""
        if name == "response_format":
            return not self._learned.has_accepted(self.style.response_format)
        return name in ("logprobs", "temperature") and not self._learned.has_accepted(name)

    def _negotiable(self) -> tuple[str, ...]:
        """Return the parameters that are sent and may be changed, the most likely culprit first."""
        sent = {
            "response_format": self._response_format() is not None,
            self.style.limit_parameter: self._sends_limit(),
            "logprobs": self._sends_logprobs(),
            "temperature": self._sends_temperature(),
        }
        return tuple(name for name in sent if sent[name] and name not in self._learned.fixed)

    def _sends_limit(self) -> bool:
        return not any(name in self._extra for name in LIMITS)

    def _sends_temperature(self) -> bool:
        # Some servers sharpen the distribution that labels are read from with the temperature.
        return (
            self.style.temperature and not self._request.labels and "temperature" not in self._extra
        )

    def _sends_logprobs(self) -> bool:
        return bool(self._request.labels) and self.style.labels is not False

    def _response_format(self) -> dict[str, object] | None:
        schema = self._request.schema
        if schema is None or self.style.response_format == "text":
            return None
        if self.style.response_format == "json_object":
            return {"type": "json_object"}
        body = {"name": schema.name, "strict": True, "schema": dict(schema.body)}
        return {"type": "json_schema", "json_schema": body}

    def _next_format(self) -> ResponseFormat:
        """Return the strictest format that was not refused and that this prompt may use."""
        refused = self._refused | self._learned.refused
        for each in FORMATS[:-1]:
            if each not in refused and (each == "json_schema" or self._mentions_json()):
                return each
        return "text"

    def _mentions_json(self) -> bool:
        # Several servers refuse json_object unless the prompt contains the word.
        return any("json" in message.content.lower() for message in self._request.messages)


def _encodable(text: str) -> str:
    """Replace lone surrogates, which a title may contain and UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode()


def _without_limits(extra: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in extra.items() if name not in LIMITS}
