"""Which parameters a server takes, learnt from its refusals and remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from unillmrec.endpoint.capabilities.schema_check import text_conforms
from unillmrec.endpoint.contract import FailureKind, Request, ResponseFormat, Schema
from unillmrec.endpoint.wire.failures import Failure
from unillmrec.endpoint.wire.responses import Completion

LimitParameter: TypeAlias = Literal["max_completion_tokens", "max_tokens"]

FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object", "text")
LIMITS: tuple[LimitParameter, ...] = ("max_completion_tokens", "max_tokens")
# What the distribution over one token is asked for with, and how much of it servers show.
LOGPROBS = {"logprobs": True, "top_logprobs": 20}
# Where a server names no parameter in a field of its own, its text has to do. This is the
# one place that looks at wording, and only for names that we have sent ourselves.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "response_format": ("response_format", "response format", "json_schema", "json_object"),
    "max_completion_tokens": ("max_completion_tokens",),
    "max_tokens": ("max_tokens",),
    "logprobs": ("logprobs", "top_logprobs"),
    "temperature": ("temperature",),
}
# A server that has kept to a schema so many times enforces it; more replies are not looked at.
_ENOUGH = 20
_REFUSALS = frozenset({200, 400, 404, 422, 500, 501})
# Without a name, a missing model or a missing page says nothing about parameters.
_NAMELESS_REFUSALS = frozenset({400, 422, 501})
_MAY_BE_REFUSALS = frozenset({FailureKind.REFUSED, FailureKind.SERVER, FailureKind.MODEL})


@dataclass(frozen=True, slots=True)
class RequestStyle:
    """How a reply is asked for, how its length is limited, and whether chance is turned off.

    *labels* says whether the probabilities of a token can be had; None if nobody knows.
    """

    response_format: ResponseFormat = "json_schema"
    limit_parameter: LimitParameter = "max_completion_tokens"
    temperature: bool = True
    labels: bool | None = None


class Memory:
    """The best way of asking that is known for one model on one server; shared by threads.

    *settled* names the parameters that are not negotiated, because the user has decided them.
    *keep* is told of every change of the way.
    """

    def __init__(
        self,
        way: RequestStyle,
        settled: frozenset[str] = frozenset(),
        keep: Callable[[RequestStyle], None] = lambda way: None,
    ) -> None:
        self.settled = settled
        self._way = way
        self._keep = keep
        self._refused: frozenset[ResponseFormat] = frozenset()
        self._accepted: frozenset[str] = frozenset()
        self._kept = 0
        self._lock = threading.Lock()

    @property
    def way(self) -> RequestStyle:
        """The way the next call is going to take."""
        return self._way

    @property
    def refused(self) -> frozenset[ResponseFormat]:
        """The response formats that this server was seen to refuse, or to ignore."""
        return self._refused

    def has_accepted(self, what: str) -> bool:
        """Return whether a response format, "logprobs" or "temperature" was accepted before.

        What was remembered from another time was not: servers change.
        """
        return what in self._accepted

    def limit_accepted(self, parameter: LimitParameter) -> None:
        """Remember that the server takes this parameter."""
        with self._lock:
            self._set(replace(self._way, limit_parameter=parameter))

    def format_accepted(
        self, response_format: ResponseFormat, refused: Iterable[ResponseFormat]
    ) -> None:
        """Remember that the server takes this format, and has refused others before it."""
        with self._lock:
            self._refused = self._refused.union(refused)
            # A slower thread must not bring back what another has learnt is refused.
            if response_format not in self._refused:
                self._accepted |= {response_format}
                self._set(replace(self._way, response_format=response_format))

    @property
    def enforces_schema(self) -> bool:
        """Whether the server has kept to schemas often enough to be trusted with them."""
        return self._kept >= _ENOUGH

    def schema_kept(self) -> None:
        """Remember that a reply was what its schema asks for."""
        with self._lock:
            self._kept += 1

    def schema_ignored(self) -> None:
        """Remember that the server takes a schema and does not keep to it."""
        with self._lock:
            if "response_format" not in self.settled:
                self._refused |= {"json_schema"}
                if self._way.response_format == "json_schema":
                    self._set(replace(self._way, response_format="json_object"))

    def temperature_accepted(self) -> None:
        """Remember for as long as this process runs that the server takes one."""
        with self._lock:
            self._accepted |= {"temperature"}

    def temperature_refused(self) -> None:
        """Remember that the server wants none, or that the model should be given none."""
        with self._lock:
            self._set(replace(self._way, temperature=False))

    def labels_answered(self, usable: bool) -> None:
        """Remember whether the server tells the probabilities of a token."""
        with self._lock:
            self._accepted |= {"logprobs"} if usable else set()
            if "logprobs" not in self.settled:
                self._set(replace(self._way, labels=usable))

    def _set(self, way: RequestStyle) -> None:
        if way != self._way:
            self._way = way
            self._keep(way)


class Asking:
    """One request's way through what a server refuses, one parameter at a time.

    *extra* is sent as it is; what it holds is neither sent by us nor negotiated.
    """

    def __init__(
        self, request: Request, model: str, memory: Memory, extra: Mapping[str, object]
    ) -> None:
        self._request = request
        self._model = model
        self._memory = memory
        # A budget sets aside what the request may write; no other limit may undo that.
        self._extra = _without_limits(extra) if request.reservation else extra
        self._limit_gave_way = False
        self._refused: set[ResponseFormat] = set()
        self._in_doubt = False
        self._known = memory.way
        self.way = self._fitted(memory.way)

    def body(self) -> dict[str, object]:
        """Return the request as it is sent: nothing that is not needed, for some refuse it."""
        body: dict[str, object] = {
            "model": self._model,
            "messages": [
                {"role": message.role, "content": _sendable(message.content)}
                for message in self._request.messages
            ],
        }
        if self._limits_length():
            body[self.way.limit_parameter] = self._request.max_output
        if self._sends_temperature():
            body["temperature"] = 0
        if self._wants_logprobs():
            body |= LOGPROBS
        response_format = self._response_format()
        if response_format is not None:
            body["response_format"] = response_format
        return body | dict(self._extra)

    def downgrade(self, failure: Failure, *, repeated: bool) -> bool:
        """Change the one parameter that *failure* is about; False if it is about none.

        *repeated* says that the same request has failed before: a second error 500 without
        a name is taken for a refusal, a first one for an accident. Where another call has
        found a better way since this one began, that way is taken first.
        """
        if failure.status not in _REFUSALS or failure.kind not in _MAY_BE_REFUSALS:
            return False
        return self._adopt() or self._drop(self._culprit(failure, repeated))

    def answered(self, answer: Completion) -> None:
        """Remember what this answer shows about the server."""
        if self._limits_length():
            self._memory.limit_accepted(self.way.limit_parameter)
        if self._sends_temperature():
            self._memory.temperature_accepted()
        if answer.thought or (self._known.temperature and not self.way.temperature):
            # A model that thinks goes round in circles where chance is turned off.
            self._memory.temperature_refused()
        if self._request.labels:
            self._labels_answered(answer)
        schema = self._request.schema
        if schema is None or "response_format" in self._extra or self._in_doubt:
            return
        self._memory.format_accepted(self.way.response_format, self._refused)
        if self.way.response_format == "json_schema" and not self._memory.enforces_schema:
            self._check(answer, schema)

    def _check(self, answer: Completion, schema: Schema) -> None:
        """Hold a reply against its schema, which a server may take and ignore."""
        if text_conforms(answer.text, schema.body):
            self._memory.schema_kept()
        # A cut reply fits no schema, and says nothing about whether one was enforced.
        elif answer.finish != "length":
            self._memory.schema_ignored()

    def _labels_answered(self, answer: Completion) -> None:
        told = self._wants_logprobs() and answer.shares is not None
        # One answer without them is no reason to give up what has worked.
        if told or not self._memory.has_accepted("logprobs"):
            self._memory.labels_answered(told)

    def _fitted(self, way: RequestStyle) -> RequestStyle:
        """Return *way* as far as it can be gone with this request."""
        if self._request.schema is None or "response_format" in self._extra:
            return replace(way, response_format="text")
        if way.response_format == "json_object" and not self._says_json():
            return replace(way, response_format="text")
        return way

    def _adopt(self) -> bool:
        """Go on in the way that another call has found; False if there is no other."""
        newer = self._memory.way
        if newer == self._known:
            return False
        self._known, before = newer, self.way
        fitted = self._fitted(newer)
        if fitted.response_format in self._refused:
            fitted = replace(fitted, response_format=before.response_format)
        if self._limit_gave_way:
            fitted = replace(fitted, limit_parameter=before.limit_parameter)
        self.way = fitted
        return fitted != before

    def _drop(self, culprit: str | None) -> bool:
        """Do without the parameter *culprit*, or put it in another way."""
        if culprit == "response_format":
            self._refused.add(self.way.response_format)
            self.way = replace(self.way, response_format=self._next_format())
        elif culprit == "temperature":
            self.way = replace(self.way, temperature=False)
        elif culprit == "logprobs":
            self.way = replace(self.way, labels=False)
        elif culprit is not None and not self._limit_gave_way:
            self._limit_gave_way = True
            other = LIMITS[1 - LIMITS.index(self.way.limit_parameter)]
            self.way = replace(self.way, limit_parameter=other)
        else:
            return False
        return True

    def _culprit(self, failure: Failure, repeated: bool) -> str | None:
        """Return the parameter of ours that is refused, if one is."""
        sent = self._negotiable()
        named = failure.complaint.parameters
        if named:
            return next((each for each in sent if set(_NAMES[each]) & set(named)), None)
        words = failure.complaint.words
        for name in sent:
            if any(word in words for word in _NAMES[name]):
                return name
        nameless = failure.status in _NAMELESS_REFUSALS or (failure.status == 500 and repeated)
        suspect = next(filter(self._is_suspect, sent), None) if nameless else None
        # Without it the formats that were refused before may be taken; the next call will see.
        self._in_doubt = self._in_doubt or suspect == "temperature"
        return suspect

    def _is_suspect(self, name: str) -> bool:
        """Return whether a refusal that names nothing may be about *name*."""
        if name == "response_format":
            return not self._memory.has_accepted(self.way.response_format)
        return name in ("logprobs", "temperature") and not self._memory.has_accepted(name)

    def _negotiable(self) -> tuple[str, ...]:
        """Return the names of what we send and could send otherwise, the likeliest first."""
        sent = {
            "response_format": self._response_format() is not None,
            self.way.limit_parameter: self._limits_length(),
            "logprobs": self._wants_logprobs(),
            "temperature": self._sends_temperature(),
        }
        return tuple(name for name in sent if sent[name] and name not in self._memory.settled)

    def _limits_length(self) -> bool:
        return not any(name in self._extra for name in LIMITS)

    def _sends_temperature(self) -> bool:
        # Of one token we read the distribution, which some servers sharpen with it.
        return (
            self.way.temperature and not self._request.labels and "temperature" not in self._extra
        )

    def _wants_logprobs(self) -> bool:
        return bool(self._request.labels) and self.way.labels is not False

    def _response_format(self) -> dict[str, object] | None:
        schema = self._request.schema
        if schema is None or self.way.response_format == "text":
            return None
        if self.way.response_format == "json_object":
            return {"type": "json_object"}
        body = {"name": schema.name, "strict": True, "schema": dict(schema.body)}
        return {"type": "json_schema", "json_schema": body}

    def _next_format(self) -> ResponseFormat:
        """Return the strictest format that is not known to be refused and fits this prompt."""
        refused = self._refused | self._memory.refused
        for each in FORMATS[:-1]:
            # Several servers refuse json_object unless the prompt holds the word.
            if each not in refused and (each == "json_schema" or self._says_json()):
                return each
        return "text"

    def _says_json(self) -> bool:
        return any("json" in message.content.lower() for message in self._request.messages)


def _sendable(text: str) -> str:
    """Replace half characters, which a title may hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()


def _without_limits(extra: Mapping[str, object]) -> Mapping[str, object]:
    return {name: value for name, value in extra.items() if name not in LIMITS}
