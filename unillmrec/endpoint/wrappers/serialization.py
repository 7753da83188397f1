"""Requests and what came of them, as JSON: what recordings and the cache are made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from unillmrec.endpoint.contract import AnswerError, CallError, Kind, Reply, Request
from unillmrec.errors import BudgetError, UnillmrecError
from unillmrec.usage import Usage

Plain = dict[str, Any]


def request_as_plain(request: Request) -> Plain:
    """Return all of a request that makes its answer; what it is paid from does not."""
    told: Plain = {}
    for name in _ASKED:
        value = getattr(request, name)
        if value not in (None, ()):
            told[name] = value
    told["stage"] = str(request.stage)
    told["messages"] = [[each.role, each.content] for each in request.messages]
    if request.schema is not None:
        told["schema"] = {"name": request.schema.name, "body": request.schema.body}
    return told


_ASKED = tuple(each.name for each in fields(Request) if each.compare)
_encode = json.JSONEncoder(sort_keys=True, default=dict).encode


def digest(value: Mapping[str, Any]) -> str:
    """Return what is the same for the same values, and for no others."""
    return hashlib.sha256(_encode(value).encode()).hexdigest()[:32]


def reply_as_plain(reply: Reply) -> Plain:
    """Return a reply as JSON has it."""
    told = {each.name: getattr(reply, each.name) for each in fields(reply)}
    return {
        name: value.as_dict() if isinstance(value, Usage) else value for name, value in told.items()
    }


def reply_of(told: Mapping[str, Any]) -> Reply:
    """Return the reply that was written down."""
    values = {name: _tuples(value) for name, value in told.items()}
    for name in ("usage", "saved"):
        values[name] = Usage(**told[name])
    return Reply(**values)


def error_as_plain(error: UnillmrecError) -> Plain:
    """Return an error as JSON has it: what it says, and what it has cost."""
    told: Plain = {
        "type": type(error).__name__,
        "problem": error.problem,
        "detail": error.detail,
        "remedy": error.remedy,
    }
    if isinstance(error, BudgetError):
        told["limit"] = error.limit
        if isinstance(error.__cause__, CallError | AnswerError):
            told["cause"] = error_as_plain(error.__cause__)
    if isinstance(error, CallError):
        told |= {"retryable": error.retryable, "status": error.status}
    if isinstance(error, CallError | AnswerError):
        told |= {
            "kind": str(error.kind),
            "usage": error.usage.as_dict(),
            "retries": error.retries,
            "refused": error.refused,
        }
    return told


def error_of(told: Mapping[str, Any]) -> UnillmrecError:
    """Return the error that was written down."""
    said = {name: str(told[name]) for name in ("problem", "detail", "remedy")}
    if told["type"] == "BudgetError":
        spent_out = BudgetError(told["limit"], said["problem"])
        spent_out.__cause__ = error_of(told["cause"]) if "cause" in told else None
        return spent_out
    error: CallError | AnswerError
    if told["type"] == "AnswerError":
        error = AnswerError(**said)
    else:
        error = CallError(**said, retryable=told["retryable"], status=told["status"])
    error.kind, error.usage = Kind(told["kind"]), Usage(**told["usage"])
    error.retries, error.refused = told["retries"], told["refused"]
    return error


def _tuples(value: Any) -> Any:
    """Return lists as tuples, which is what values are made of here."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
