"""Which parameters a server takes, learnt from its refusals and remembered."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from unillmrec.endpoint.conforming import text_conforms
from unillmrec.endpoint.contract import AskedWith, Kind, Request
from unillmrec.endpoint.failures import Failure

LimitParameter: TypeAlias = Literal["max_completion_tokens", "max_tokens"]

_FORMATS: tuple[AskedWith, ...] = ("json_schema", "json_object", "text")
_LIMITS: tuple[LimitParameter, ...] = ("max_completion_tokens", "max_tokens")
# Where a server names no parameter in a field of its own, its text has to do. This is the
# one place that looks at wording, and only for names that we have sent ourselves.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "response_format": ("response_format", "response format", "json_schema", "json_object"),
    "max_completion_tokens": ("max_completion_tokens",),
    "max_tokens": ("max_tokens",),
}
_REFUSALS = frozenset({200, 400, 404, 422, 500, 501})
# Without a name, a missing model or a missing page says nothing about parameters.
_NAMELESS_REFUSALS = frozenset({400, 422, 501})
_MAY_BE_REFUSALS = frozenset({Kind.REFUSED, Kind.SERVER, Kind.MODEL})


@dataclass(frozen=True, slots=True)
class WayOfAsking:
    """How a reply is asked for and how its length is limited."""

    response_format: AskedWith = "json_schema"
    limit_parameter: LimitParameter = "max_completion_tokens"


class Memory:
    """The best way of asking that is known for one model on one server; shared by threads.

    *settled* names the parameters that are not negotiated, because the user has decided them.
    """

    def __init__(self, way: WayOfAsking, settled: frozenset[str] = frozenset()) -> None:
        self.settled = settled
        self._way = way
        self._format_proven = False
        self._lock = threading.Lock()

    @property
    def way(self) -> WayOfAsking:
        """The way the next call is going to take."""
        return self._way

    @property
    def format_proven(self) -> bool:
        """Whether the current response format has been accepted before."""
        return self._format_proven

    def limit_accepted(self, parameter: LimitParameter) -> None:
        """Remember that the server takes this parameter."""
        with self._lock:
            self._way = replace(self._way, limit_parameter=parameter)

    def format_accepted(self, response_format: AskedWith) -> None:
        """Remember that the server takes this format and has refused every stricter one."""
        with self._lock:
            # A slower thread must not bring back what another has learnt is refused.
            if _FORMATS.index(response_format) >= _FORMATS.index(self._way.response_format):
                self._way = replace(self._way, response_format=response_format)
                self._format_proven = True

    def schema_ignored(self) -> None:
        """Remember that the server takes a schema and does not keep to it."""
        with self._lock:
            negotiable = "response_format" not in self.settled
            if self._way.response_format == "json_schema" and negotiable:
                self._way = replace(self._way, response_format="json_object")
                self._format_proven = False


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
        self._extra = extra
        self._limit_gave_way = False
        self.way = memory.way
        if request.schema is None or "response_format" in extra:
            self.way = replace(self.way, response_format="text")
        elif self.way.response_format == "json_object":
            self.way = replace(self.way, response_format=self._next_format("json_schema"))

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
        response_format = self._response_format()
        if response_format is not None:
            body["response_format"] = response_format
        return body | dict(self._extra)

    def give_way(self, failure: Failure, *, repeated: bool) -> bool:
        """Change the one parameter that *failure* is about; False if it is about none.

        *repeated* says that the same request has failed before: a second error 500 without
        a name is taken for a refusal, a first one for an accident.
        """
        culprit = self._culprit(failure, repeated)
        if culprit == "response_format":
            stricter = self.way.response_format
            self.way = replace(self.way, response_format=self._next_format(stricter))
        elif culprit is not None and not self._limit_gave_way:
            self._limit_gave_way = True
            other = _LIMITS[1 - _LIMITS.index(self.way.limit_parameter)]
            self.way = replace(self.way, limit_parameter=other)
        else:
            return False
        return True

    def answered(self, text: str, finish: str | None) -> None:
        """Remember what this answer shows about the server."""
        if self._limits_length():
            self._memory.limit_accepted(self.way.limit_parameter)
        schema = self._request.schema
        if schema is None or "response_format" in self._extra:
            return
        self._memory.format_accepted(self.way.response_format)
        enforced = self.way.response_format == "json_schema"
        # A cut reply fits no schema, and says nothing about whether one was enforced.
        if enforced and finish != "length" and not text_conforms(text, schema.body):
            self._memory.schema_ignored()

    def _culprit(self, failure: Failure, repeated: bool) -> str | None:
        """Return the parameter of ours that is refused, if one is."""
        if failure.status not in _REFUSALS or failure.kind not in _MAY_BE_REFUSALS:
            return None
        sent = self._negotiable()
        named = failure.complaint.parameters
        if named:
            return next((name for name in sent if name in named), None)
        words = failure.complaint.words
        for name in sent:
            if any(word in words for word in _NAMES[name]):
                return name
        nameless = failure.status in _NAMELESS_REFUSALS or (failure.status == 500 and repeated)
        suspected = nameless and not self._memory.format_proven
        return "response_format" if suspected and "response_format" in sent else None

    def _negotiable(self) -> tuple[str, ...]:
        """Return the names of what we send and could send otherwise."""
        names: list[str] = []
        if self._response_format() is not None:
            names.append("response_format")
        if self._limits_length():
            names.append(self.way.limit_parameter)
        return tuple(name for name in names if name not in self._memory.settled)

    def _limits_length(self) -> bool:
        return not any(name in self._extra for name in _LIMITS)

    def _response_format(self) -> dict[str, object] | None:
        schema = self._request.schema
        if schema is None or self.way.response_format == "text":
            return None
        if self.way.response_format == "json_object":
            return {"type": "json_object"}
        body = {"name": schema.name, "strict": True, "schema": dict(schema.body)}
        return {"type": "json_schema", "json_schema": body}

    def _next_format(self, stricter: AskedWith) -> AskedWith:
        """Return the strictest format below *stricter* that this prompt allows."""
        # Several servers refuse json_object unless the prompt holds the word.
        if stricter == "json_schema" and self._says_json():
            return "json_object"
        return "text"

    def _says_json(self) -> bool:
        return any("json" in message.content.lower() for message in self._request.messages)


def _sendable(text: str) -> str:
    """Replace half characters, which a title may hold and UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
