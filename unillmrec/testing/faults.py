"""Faults that the fake server can produce."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from types import MappingProxyType


class FaultKind(StrEnum):
    """Kinds of faults; the parenthesis says whether the fake server bills the answer."""

    STATUS = "status"  # an error status with a body in OpenAI's form (no)
    HTML = "html"  # a web page with status 200 (no)
    ERROR_BODY = "error body"  # an error in JSON with status 200 (no)
    REFUSE = "refuse"  # an error 400 that names a parameter, if it was sent (no)
    RESET = "reset"  # the connection is closed before any answer (no)
    SLOW = "slow"  # the answer comes after a while (yes)
    DRIP = "drip"  # the body comes byte by byte (yes)
    DROP = "drop"  # the connection is closed in the middle of the body (yes)
    CUT_JSON = "cut json"  # the body ends early, with a matching length (yes)
    EMPTY_CHOICES = "empty choices"  # (yes)
    NULL_CONTENT = "null content"  # (yes)
    NO_USAGE = "no usage"  # (yes)
    WRONG_USAGE = "wrong usage"  # counts that are no counts (yes)
    PROMPT_CUT = "prompt cut"  # only the end of the prompt is read, in silence (yes)
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
    """One fault for one request. *seconds* applies to SLOW and, per byte, to DRIP."""

    kind: FaultKind
    code: int = 500
    """The HTTP status of STATUS and REFUSE."""
    seconds: float = 0.0
    parameter: str = ""
    tokens: int = 512
    """What PROMPT_CUT leaves of the prompt."""
    error: Mapping[str, object] = field(default_factory=dict)
    """The error object of the body."""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def status(
        cls, status: int, /, *, retry_after: float | str | None = None, **error: object
    ) -> Fault:
        """Answer with an error status; *error* replaces fields of the error object."""
        details: dict[str, object] = {
            "message": f"Scripted error {status}.",
            "type": "scripted_error",
            "param": None,
            "code": _CODES.get(status),
        }
        headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
        return cls(FaultKind.STATUS, code=status, error=details | error, headers=headers)

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
        """Refuse *parameter* if the request contains it; else answer normally."""
        error = {"message": f"Unsupported parameter: '{parameter}'.", "param": parameter}
        return cls(FaultKind.REFUSE, code=code, parameter=parameter, error=error)

    @classmethod
    def slow(cls, seconds: float) -> Fault:
        """Answer after *seconds*."""
        return cls(FaultKind.SLOW, seconds=seconds)

    @classmethod
    def drip(cls, seconds: float) -> Fault:
        """Send the answer byte by byte, with *seconds* in between."""
        return cls(FaultKind.DRIP, seconds=seconds)

    @classmethod
    def prompt_cut(cls, tokens: int = 512) -> Fault:
        """Silently read only the last *tokens* of the prompt, as Ollama does."""
        return cls(FaultKind.PROMPT_CUT, tokens=tokens)


def as_fault(fault: Fault | FaultKind | int | None) -> Fault | None:
    """Return *fault* as a `Fault`; a number is a status."""
    if fault is None or isinstance(fault, Fault):
        return fault
    return Fault(fault) if isinstance(fault, FaultKind) else Fault.status(fault)


def until(seconds: float) -> str:
    """Format the time in this many seconds as an HTTP date, for `Retry-After`."""
    return formatdate(time.time() + seconds, usegmt=True)


NAMED: Mapping[str, Callable[[], Fault]] = MappingProxyType(
    {
        "429": lambda: Fault.status(429),
        "429-wait": lambda: Fault.status(429, retry_after=1),
        "429-date": lambda: Fault.status(429, retry_after=until(2)),
        "quota": Fault.quota,
        "too-long": Fault.too_long,
        "refuse-format": lambda: Fault.refuse("response_format"),
        "refuse-limit": lambda: Fault.refuse("max_completion_tokens"),
        "slow": lambda: Fault.slow(2),
        "drip": lambda: Fault.drip(0.01),
        "prompt-cut": Fault.prompt_cut,
        **{
            kind.replace(" ", "-"): (lambda kind=kind: Fault(kind))  # type: ignore[misc]
            for kind in FaultKind
            if kind not in {FaultKind.STATUS, FaultKind.REFUSE, FaultKind.SLOW, FaultKind.DRIP}
            and kind is not FaultKind.PROMPT_CUT
        },
    }
)
"""The faults that have a name of one word; any number from 400 to 599 is a status besides."""


def fault_named(name: str) -> Fault:
    """Return the fault with this name.

    Raises:
        ValueError: there is none; the message lists all names.
    """
    if name in NAMED:
        return NAMED[name]()
    if re.fullmatch(r"[45]\d\d", name):
        return Fault.status(int(name))
    raise ValueError(f"a fault is a status such as 503, or one of {', '.join(NAMED)}")


def by_rate(rates: Sequence[tuple[str, float]], seed: int = 0) -> Callable[[int], Fault | None]:
    """Return a function that draws a fault for each request, by the rates of named faults.

    The fault of a request depends only on its number and on *seed*.
    """
    total = sum(rate for _, rate in rates)
    if total > 1 or any(rate < 0 for _, rate in rates):
        raise ValueError(f"the rates of faults add up to {total:g}; at most 1 is possible")
    for name, _ in rates:
        fault_named(name)

    def fault(place: int) -> Fault | None:
        drawn = random.Random(f"{seed}:{place}").random()
        for name, rate in rates:
            if drawn < rate:
                return fault_named(name)
            drawn -= rate
        return None

    return fault
