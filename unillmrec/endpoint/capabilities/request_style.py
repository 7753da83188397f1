"""How requests to one server are put: response format, limit parameter, temperature, labels."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from unillmrec.endpoint.contract import ResponseFormat

LimitParameter: TypeAlias = Literal["max_completion_tokens", "max_tokens"]

FORMATS: tuple[ResponseFormat, ...] = ("json_schema", "json_object", "text")
LIMITS: tuple[LimitParameter, ...] = ("max_completion_tokens", "max_tokens")
# A server that has kept to a schema so often enforces it; further replies are not checked.
_CHECKED_REPLIES = 20


@dataclass(frozen=True, slots=True)
class RequestStyle:
    """Which parameters a request is sent with.

    *temperature* says whether temperature 0 is sent. *labels* says whether the server reports
    the probabilities of a token; None if that is unknown.
    """

    response_format: ResponseFormat = "json_schema"
    limit_parameter: LimitParameter = "max_completion_tokens"
    temperature: bool = True
    labels: bool | None = None


class LearnedStyle:
    """The best request style known for one model on one server; shared by threads.

    *fixed* names the parameters that the user has set and that are not negotiated. *save* is
    called with every new style.
    """

    def __init__(
        self,
        style: RequestStyle,
        fixed: frozenset[str] = frozenset(),
        save: Callable[[RequestStyle], None] = lambda style: None,
    ) -> None:
        self.fixed = fixed
        self._style = style
        self._save = save
        self._refused: frozenset[ResponseFormat] = frozenset()
        self._accepted: frozenset[str] = frozenset()
        self._conforming_replies = 0
        self._lock = threading.Lock()

    @property
    def style(self) -> RequestStyle:
        """The style of the next call."""
        return self._style

    @property
    def refused(self) -> frozenset[ResponseFormat]:
        """The response formats that this server has refused or ignored."""
        return self._refused

    def has_accepted(self, parameter: str) -> bool:
        """Return whether this process saw a format, "logprobs" or "temperature" accepted.

        What was saved by an earlier process does not count, because servers change.
        """
        return parameter in self._accepted

    def accept_limit(self, parameter: LimitParameter) -> None:
        """Record that the server takes this limit parameter."""
        with self._lock:
            self._set(replace(self._style, limit_parameter=parameter))

    def accept_format(
        self, response_format: ResponseFormat, refused: Iterable[ResponseFormat]
    ) -> None:
        """Record that the server takes this format, and has refused others before it."""
        with self._lock:
            self._refused = self._refused.union(refused)
            # A slower thread must not restore what another one has seen refused.
            if response_format not in self._refused:
                self._accepted |= {response_format}
                self._set(replace(self._style, response_format=response_format))

    @property
    def enforces_schema(self) -> bool:
        """Whether enough replies have conformed to their schema to stop checking them."""
        return self._conforming_replies >= _CHECKED_REPLIES

    def record_conforming_reply(self) -> None:
        """Record that a reply conforms to its schema."""
        with self._lock:
            self._conforming_replies += 1

    def record_ignored_schema(self) -> None:
        """Record that the server accepts a schema but does not enforce it."""
        with self._lock:
            if "response_format" not in self.fixed:
                self._refused |= {"json_schema"}
                if self._style.response_format == "json_schema":
                    self._set(replace(self._style, response_format="json_object"))

    def accept_temperature(self) -> None:
        """Record, for this process only, that the server takes a temperature."""
        with self._lock:
            self._accepted |= {"temperature"}

    def drop_temperature(self) -> None:
        """Send no temperature any more: the server refuses it, or the model needs randomness."""
        with self._lock:
            self._set(replace(self._style, temperature=False))

    def record_labels(self, usable: bool) -> None:
        """Record whether the server reports usable probabilities of a token."""
        with self._lock:
            self._accepted |= {"logprobs"} if usable else set()
            if "logprobs" not in self.fixed:
                self._set(replace(self._style, labels=usable))

    def _set(self, style: RequestStyle) -> None:
        if style != self._style:
            self._style = style
            self._save(style)
