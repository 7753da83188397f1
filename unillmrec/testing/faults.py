"""What can go wrong on a server, to be ordered from the fake one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class FaultKind(StrEnum):
    """The faults. The parenthesis says whether the fake server bills the answer."""

    STATUS = "status"  # an error status with a body in OpenAI's form (no)
    HTML = "html"  # a web page with status 200 (no)
    ERROR_BODY = "error body"  # an error in JSON with status 200 (no)
    REFUSE = "refuse"  # an error 400 that names a parameter, if it was sent (no)
    RESET = "reset"  # the connection is closed before any answer (no)
    SLOW = "slow"  # the answer comes after a while (yes)
    DRIP = "drip"  # the body comes byte by byte (yes)
    DROP = "drop"  # the connection is closed in the middle of the body (yes)
    CUT_JSON = "cut json"  # the body ends early and says that it is whole (yes)
    EMPTY_CHOICES = "empty choices"  # (yes)
    NULL_CONTENT = "null content"  # (yes)
    NO_USAGE = "no usage"  # (yes)
    WRONG_USAGE = "wrong usage"  # counts that are no counts (yes)
    THOUGHT_AWAY = "thought away"  # all tokens went into thinking, finish "length" (yes)
    CUT = "cut"  # half the text, finish "length" (yes)
    FILTER = "filter"  # no text, finish "content_filter" (yes)
    REFUSAL = "refusal"  # no text, a refusal (yes)
    IGNORE_SCHEMA = "ignore schema"  # prose where a schema was asked for (yes)


_CODES: Mapping[int, str] = {
    400: "invalid_value",
    401: "invalid_api_key",
    402: "insufficient_balance",
    403: "permission_denied",
    404: "model_not_found",
    429: "rate_limit_exceeded",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault, for one request. *seconds* is for SLOW and, per byte, for DRIP."""

    kind: FaultKind
    code: int = 500
    """The HTTP status of STATUS and REFUSE."""
    seconds: float = 0.0
    parameter: str = ""
    error: Mapping[str, object] = field(default_factory=dict)
    """The error object of the body."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def status(
        cls, status: int, /, *, retry_after: float | str | None = None, **error: object
    ) -> Fault:
        """Answer with an error status; *error* replaces fields of the error object."""
        said: dict[str, object] = {
            "message": f"Scripted error {status}.",
            "type": "scripted_error",
            "param": None,
            "code": _CODES.get(status),
        }
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(FaultKind.STATUS, code=status, error=said | error, headers=headers)

    @classmethod
    def quota(cls) -> Fault:
        """Answer as OpenAI does when the account is empty: 429, like a rate limit."""
        return cls.status(429, code="insufficient_quota", type="insufficient_quota")

    @classmethod
    def too_long(cls, prompt: int = 9000, context: int = 8192) -> Fault:
        """Answer as llama.cpp does when the prompt does not fit."""
        return cls.status(
            400,
            code=400,
            type="exceed_context_size_error",
            n_prompt_tokens=prompt,
            n_ctx=context,
        )

    @classmethod
    def refuse(cls, parameter: str, *, code: int = 400) -> Fault:
        """Refuse *parameter*, if the request holds it; else answer as usual."""
        error = {"message": f"Unsupported parameter: '{parameter}'.", "param": parameter}
        return cls(FaultKind.REFUSE, code=code, parameter=parameter, error=error)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Answer after *seconds*."""
        return cls(FaultKind.SLOW, seconds=seconds)

    @classmethod
    def drip(cls, seconds: float) -> Fault:
        """Answer byte by byte, with *seconds* between them."""
        return cls(FaultKind.DRIP, seconds=seconds)


def as_fault(fault: Fault | FaultKind | int | None) -> Fault | None:
    """Return the fault that is meant: a number is a status."""
    if fault is None or isinstance(fault, Fault):
        return fault
    return Fault(fault) if isinstance(fault, FaultKind) else Fault.status(fault)
