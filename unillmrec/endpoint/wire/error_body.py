"""What the body of an error answer says, whatever shape the server gave it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from unillmrec.items import one_line

# Code and type are the part of an error that is made for programs.
_MONEY = frozenset(
    {"insufficient_quota", "insufficient_balance", "billing_hard_limit_reached"}
    | {"billing_not_active", "insufficient_credits"}
)
_TOO_LONG = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
    | {"string_above_max_length", "request_too_large"}
)
_FILTERED = frozenset({"content_filter", "content_policy_violation", "content_filter_error"})
_NO_MODEL = frozenset({"model_not_found", "invalid_model", "model_not_available"})


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error body, taken apart.

    *message* is one harmless line for people; *words* is all of the body in lower case;
    *labels* holds code and type; *parameters* what the server itself names as the culprit.
    """

    message: str = ""
    words: str = ""
    status: int | None = None
    labels: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    context_tokens: int | None = None

    @property
    def is_money(self) -> bool:
        """Whether the account is empty, which looks like a rate limit and does not pass."""
        return bool(self.labels & _MONEY)

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt does not fit the model."""
        return bool(self.labels & _TOO_LONG) or None not in (
            self.prompt_tokens,
            self.context_tokens,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether a content rule of the provider was met."""
        return bool(self.labels & _FILTERED)

    @property
    def is_model(self) -> bool:
        """Whether the model is unknown to the server."""
        return bool(self.labels & _NO_MODEL) or self.parameters == ("model",)


def read_complaint(body: object) -> ErrorBody:
    """Take the *body* of an error answer apart; any body gives a complaint, if an empty one.

    Known shapes: `{"error": {…}}`, `{"error": "text"}`, `[{"error": {…}}]`, `{"detail": …}`,
    `{"message": …}`, the inside of the first, and plain text.
    """
    if isinstance(body, list) and body:
        body = body[0]
    words = body if isinstance(body, str) else _as_text(body)
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(inner, Mapping):
        return ErrorBody(message=_line(inner), words=words[:20_000].lower())
    detail = inner.get("detail")
    message = inner.get("message") or (detail if isinstance(detail, str) else None)
    return ErrorBody(
        message=_line(message or _first_message(detail) or inner.get("error")),
        words=words[:20_000].lower(),
        status=_status(inner.get("code")) or _status(inner.get("status")),
        labels=frozenset(
            label for label in (inner.get("code"), inner.get("type")) if isinstance(label, str)
        ),
        parameters=_parameters(inner.get("param"), detail),
        prompt_tokens=_count(inner.get("n_prompt_tokens")),
        context_tokens=_count(inner.get("n_ctx")),
    )


def _parameters(param: object, detail: object) -> tuple[str, ...]:
    """Return the names of the parameters that are complained about, outermost part only."""
    if isinstance(param, str) and param:
        return (param.split(".")[0].split("[")[0],)
    names: list[str] = []
    for entry in detail if isinstance(detail, list) else ():
        place = entry.get("loc") if isinstance(entry, Mapping) else None
        parts = [part for part in place if part != "body"] if isinstance(place, list) else []
        if parts and isinstance(parts[0], str):
            names.append(parts[0])
    return tuple(names)


def _first_message(detail: object) -> object:
    if isinstance(detail, list) and detail and isinstance(detail[0], Mapping):
        return detail[0].get("msg")
    return None


def _as_text(body: object) -> str:
    try:
        return json.dumps(body, ensure_ascii=False) if body is not None else ""
    except (TypeError, ValueError, RecursionError):
        return ""


def _line(message: object) -> str:
    # A page of HTML is no message; its title is, but hardly ever a helpful one.
    text = message if isinstance(message, str) else ""
    return "" if text.lstrip().startswith("<") else one_line(text, 200)


def _status(value: object) -> int | None:
    """Return *value* if it is an HTTP error status: some servers put it into a 200 answer."""
    number = int(value) if isinstance(value, str) and value.isdecimal() else value
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
