"""Parse the body of an error answer, whatever shape the server gave it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from unillmrec.items import one_line

# The values of `code` and `type` that servers use; a message is never searched for these.
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
    """The fields of an error body.

    *message* is one printable line; *text* is the whole body in lower case; *codes* are the values
    of `code` and `type`; *parameters* are those that the server itself names as invalid.
    """

    message: str = ""
    text: str = ""
    status: int | None = None
    codes: frozenset[str] = frozenset()
    parameters: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    context_tokens: int | None = None

    @property
    def is_money(self) -> bool:
        """Whether the account is empty; it looks like a rate limit, but waiting does not help."""
        return bool(self.codes & _MONEY)

    @property
    def is_too_long(self) -> bool:
        """Whether the prompt does not fit the model's context."""
        return bool(self.codes & _TOO_LONG) or None not in (
            self.prompt_tokens,
            self.context_tokens,
        )

    @property
    def is_filtered(self) -> bool:
        """Whether the provider's content filter rejected the request."""
        return bool(self.codes & _FILTERED)

    @property
    def is_unknown_model(self) -> bool:
        """Whether the server does not know the model."""
        return bool(self.codes & _NO_MODEL) or self.parameters == ("model",)


def parse_error_body(body: object) -> ErrorBody:
    """Return the fields of any error *body*; those that cannot be found stay empty.

    Known shapes: `{"error": {…}}`, `{"error": "text"}`, `[{"error": {…}}]`, `{"detail": …}`,
    `{"message": …}`, the inside of the first, and plain text.
    """
    if isinstance(body, list) and body:
        body = body[0]
    text = (body if isinstance(body, str) else _as_text(body))[:20_000].lower()
    inner = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(inner, Mapping):
        return ErrorBody(message=_line(inner), text=text)
    detail = inner.get("detail")
    message = inner.get("message") or (detail if isinstance(detail, str) else None)
    return ErrorBody(
        message=_line(message or _first_message(detail) or inner.get("error")),
        text=text,
        status=_status(inner.get("code")) or _status(inner.get("status")),
        codes=frozenset(
            code for code in (inner.get("code"), inner.get("type")) if isinstance(code, str)
        ),
        parameters=_parameters(inner.get("param"), detail),
        prompt_tokens=_count(inner.get("n_prompt_tokens")),
        context_tokens=_count(inner.get("n_ctx")),
    )


def _parameters(param: object, detail: object) -> tuple[str, ...]:
    """Return the names of the invalid parameters, without what follows a dot or a bracket."""
    if isinstance(param, str) and param:
        return (param.split(".")[0].split("[")[0],)
    names: list[str] = []
    for entry in detail if isinstance(detail, list) else ():
        location = entry.get("loc") if isinstance(entry, Mapping) else None
        parts = [each for each in location if each != "body"] if isinstance(location, list) else []
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
    text = message if isinstance(message, str) else ""
    # An HTML page is no message, and its title hardly ever helps.
    return "" if text.lstrip().startswith("<") else one_line(text, 200)


def _status(value: object) -> int | None:
    """Return *value* if it is an HTTP error status; some servers send it with status 200."""
    number = int(value) if isinstance(value, str) and re.fullmatch("[0-9]{3}", value) else value
    return number if isinstance(number, int) and 400 <= number <= 599 else None


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 10**12 else None
