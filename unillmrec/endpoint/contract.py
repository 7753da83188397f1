"""The contract of an endpoint: requests, replies, errors, and the protocols that exchange them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from unillmrec.budget import Reservation
from unillmrec.errors import BudgetError, EndpointError, ReplyError, UnillmrecError
from unillmrec.usage import Stage, Usage

ResponseFormat: TypeAlias = Literal["json_schema", "json_object", "text"]
"""How strictly the server is asked to format a reply, strictest first."""
AskedWith: TypeAlias = Literal["labels", ResponseFormat]
"""How a reply was obtained: from the log probabilities of one token, or in a response format."""


@dataclass(frozen=True, slots=True)
class Message:
    """One chat message. Every request carries its whole conversation; servers keep no state."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Schema:
    """A JSON schema for the reply; one per stage, since a server compiles each new one."""

    name: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a model.

    *max_output* is the most tokens the model may write, its reasoning included. With *labels*,
    such as letters, the answer is one of them, and the reply carries how probable each of them
    is as the first token. *reservation* is the budget set aside for the call, if there is a
    budget: it must allow each retry, and its deadline holds. *about* is the branch in question,
    and *person* the label of the person it is asked for, if the user gave one; neither is sent.
    """

    stage: Stage
    messages: tuple[Message, ...]
    max_output: int
    schema: Schema | None = None
    labels: tuple[str, ...] = ()
    reservation: Reservation | None = field(default=None, compare=False, repr=False)
    about: str = field(default="", compare=False)
    person: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """The text a model wrote, and what the call cost.

    *usage* covers every answer that was paid for on the way, unusable ones included. *finish*
    is the server's reason for the end of the text; "length" means that it was cut off.
    *seconds* is the time from the first attempt to the answer. *retries* counts attempts after
    a failure that may pass; *refused* counts attempts with changed parameters after the server
    refused one. *shares* are the probabilities of the requested labels, if the server reported
    any; what is missing to 1 went to other tokens. *saved* is what an answer from a cache would
    have cost; its *usage* is zero.
    """

    text: str
    usage: Usage
    asked_with: AskedWith
    finish: str | None
    model: str | None
    seconds: float
    retries: int = 0
    refused: int = 0
    shares: tuple[tuple[str, float], ...] = ()
    saved: Usage = field(default_factory=Usage)


class Endpoint(Protocol):
    """A language model that the stages can ask; safe to share between threads."""

    @property
    def model(self) -> str:
        """The name of the model on the server."""

    @property
    def name(self) -> str:
        """Where the model runs, for display: the host, never a key."""

    def complete(self, request: Request) -> Reply:
        """Return the model's reply to *request*.

        Raises:
            EndpointError: the endpoint refused, failed, or could not be reached.
            ReplyError: the answer has no text.
        """


class EmbeddingEndpoint(Protocol):
    """A model that turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector per text, in order, and the usage of the calls."""


class FullEndpoint(Endpoint, EmbeddingEndpoint, Protocol):
    """An endpoint that both answers requests and makes embeddings."""


class FailureKind(StrEnum):
    """Why a call failed; the value is the word shown in logs and errors."""

    KEY = "key"
    MONEY = "money"
    RATE = "rate limit"
    MODEL = "model"
    TOO_LONG = "too long"
    REFUSED = "refused"
    SERVER = "server"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"
    FOREIGN = "foreign"
    CLOSED = "closed"
    EMPTY = "empty"
    CUT = "cut"
    FILTERED = "filtered"


PERMANENT_FAILURES = frozenset({FailureKind.KEY, FailureKind.MONEY, FailureKind.MODEL})
"""The key, the account or the model is the problem: every later call would fail as well."""
FATAL_FAILURES = PERMANENT_FAILURES | {
    FailureKind.UNREACHABLE,
    FailureKind.FOREIGN,
    FailureKind.CLOSED,
}
"""Stop after one of these: permanent failures, and those where no model server answers at all."""


class CallError(EndpointError):
    """A call failed, after all retries.

    *usage* is what it cost all the same; *retries* and *refused* are as in `Reply`.
    """

    kind: FailureKind = FailureKind.SERVER
    usage: Usage = Usage()
    retries: int = 0
    refused: int = 0


class AnswerError(ReplyError):
    """The model answered and was billed, but the answer has no text; fields as in `CallError`."""

    kind: FailureKind = FailureKind.EMPTY
    usage: Usage = Usage()
    retries: int = 0
    refused: int = 0


def usage_of(error: UnillmrecError) -> Usage:
    """Return what a failed call cost; it belongs on the bill as much as the usage of a reply."""
    if isinstance(error, BudgetError) and isinstance(error.__cause__, UnillmrecError):
        return usage_of(error.__cause__)
    return error.usage if isinstance(error, CallError | AnswerError) else Usage()
