"""Requests, replies and errors as plain JSON values, as caches, recordings and journals hold them.

The formats only grow: fields that are missing in an old file get their defaults, and unknown ones
are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from unillmrec.endpoint.contract import AnswerError, CallError, FailureKind, Reply, Request
from unillmrec.errors import (
    BatchError,
    BudgetError,
    EndpointError,
    PersonError,
    ReplyError,
    UnillmrecError,
)
from unillmrec.usage import Usage

Plain: TypeAlias = dict[str, Any]
"""A value that `json` can write: objects, lists, texts, numbers."""

_REQUEST_FIELDS = tuple(each.name for each in fields(Request) if each.compare)
_REPLY_FIELDS = tuple(each.name for each in fields(Reply))
_USAGE_FIELDS = tuple(each.name for each in fields(Usage))
_ERROR_TYPES: Mapping[str, type[UnillmrecError]] = {
    each.__name__: each
    for each in (CallError, AnswerError, EndpointError, ReplyError, PersonError, BatchError)
}

# `json.dumps` would create a new encoder for each call. Escaped, half a surrogate pair survives.
_encode = json.JSONEncoder().encode
_encode_sorted = json.JSONEncoder(sort_keys=True, default=dict).encode


def request_to_plain(request: Request) -> Plain:
    """Return the parts of a request that determine its answer, without empty ones."""
    plain = {name: getattr(request, name) for name in _REQUEST_FIELDS}
    plain = {name: value for name, value in plain.items() if value not in (None, ())}
    plain["stage"] = str(request.stage)
    plain["messages"] = [[each.role, each.content] for each in request.messages]
    if request.schema is not None:
        plain["schema"] = {"name": request.schema.name, "body": request.schema.body}
    return plain


def digest(plain: Mapping[str, Any]) -> str:
    """Return a hash of *plain* that does not depend on the order of its keys."""
    return hashlib.sha256(_encode_sorted(plain).encode()).hexdigest()[:32]


def usage_to_plain(usage: Usage) -> Plain:
    """Return all counts of *usage* by name; `Usage(**plain)` restores it."""
    return {name: getattr(usage, name) for name in _USAGE_FIELDS}


def reply_to_plain(reply: Reply) -> Plain:
    """Return all fields of *reply*; `reply_from_plain` restores it."""
    plain = {name: getattr(reply, name) for name in _REPLY_FIELDS}
    plain["usage"] = usage_to_plain(reply.usage)
    plain["saved"] = usage_to_plain(reply.saved)
    return plain


def reply_from_plain(plain: Mapping[str, Any]) -> Reply:
    """Restore a reply from what `reply_to_plain` returned, now or in an older version."""
    known = {name: plain[name] for name in _REPLY_FIELDS if name in plain}
    for name in ("usage", "saved"):
        known[name] = Usage(**known.get(name, {}))
    known["shares"] = tuple((label, share) for label, share in known.get("shares", ()))
    return Reply(**known)


def encode_reply(reply: Reply) -> str:
    """Return *reply* as one line of ASCII JSON."""
    return _encode(reply_to_plain(reply))


def decode_reply(text: str | bytes) -> Reply:
    """Restore a reply from its JSON text."""
    return reply_from_plain(json.loads(text))


def error_to_plain(error: UnillmrecError) -> Plain:
    """Return the type, the message and the cost of *error*; `error_from_plain` restores it."""
    plain: Plain = {
        "type": type(error).__name__,
        "problem": error.problem,
        "detail": error.detail,
        "remedy": error.remedy,
    }
    if isinstance(error, BudgetError):
        plain["limit"] = error.limit
        if isinstance(error.__cause__, CallError | AnswerError):
            plain["cause"] = error_to_plain(error.__cause__)
    if isinstance(error, EndpointError):
        plain |= {"retryable": error.retryable, "status": error.status}
    if isinstance(error, CallError | AnswerError):
        plain |= {
            "kind": str(error.kind),
            "usage": usage_to_plain(error.usage),
            "retries": error.retries,
            "refused": error.refused,
        }
    return plain


def error_from_plain(plain: Mapping[str, Any]) -> UnillmrecError:
    """Restore an error; a type that is not listed here becomes a plain `UnillmrecError`."""
    message = {name: str(plain[name]) for name in ("problem", "detail", "remedy")}
    if plain["type"] == "BudgetError":
        budget_error = BudgetError(plain["limit"], message["problem"])
        budget_error.__cause__ = error_from_plain(plain["cause"]) if "cause" in plain else None
        return budget_error
    error = _ERROR_TYPES.get(plain["type"], UnillmrecError)(**message)
    if isinstance(error, EndpointError):
        error.retryable, error.status = plain["retryable"], plain["status"]
    if isinstance(error, CallError | AnswerError):
        error.kind, error.usage = FailureKind(plain["kind"]), Usage(**plain["usage"])
        error.retries, error.refused = plain["retries"], plain["refused"]
    return error
