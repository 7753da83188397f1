"""The values that go to an endpoint and come back, and the shape every endpoint has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol, TypeAlias

from unillmrec.budget import Reservation
from unillmrec.errors import BudgetError, EndpointError, ReplyError, UnillmrecError
from unillmrec.usage import Stage, Usage

ResponseFormat: TypeAlias = Literal["json_schema", "json_object", "text"]
"""How strictly the form of a reply is asked for, strictest first."""
AskedWith: TypeAlias = Literal["labels", ResponseFormat]
"""How a reply was asked for: by the probabilities of one token, or by its form."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation that has no other state."""

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

    *max_output* is the most tokens it may write, its thinking included. With *labels*, such
    as letters, the answer is one of them, and how probable each of them is as the first token
    is what is wanted. *ticket* is what is set aside for it, if there is a budget: repetitions
    are asked of it, and its time is kept. *about* is the branch it asks about, and *person*
    the label of whom it is for, if the user gave one; neither is sent.
    """

    stage: Stage
    messages: tuple[Message, ...]
    max_output: int
    schema: Schema | None = None
    labels: tuple[str, ...] = ()
    ticket: Reservation | None = field(default=None, compare=False, repr=False)
    about: str = field(default="", compare=False)
    person: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """What the model wrote, and what the asking took.

    *usage* covers every answer that was paid for on the way, unusable ones included.
    *finish* is the server's word for why the text ends; "length" means that it was cut.
    *seconds* is the time from the first sending to the answer. *retries* counts repetitions
    after a failure that could pass; *refused* counts requests repeated in another way because
    the server does not take a parameter. *shares* are the probabilities of the labels that
    were asked for, where the server told any; what they leave of one is off the labels.
    *saved* is what an answer from a cache would have cost; its *usage* is none at all.
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
    """What the stages need from a language model; safe to share between threads."""

    @property
    def model(self) -> str:
        """The model, as the server knows it."""

    @property
    def name(self) -> str:
        """Where the model is, for people: the host, never a key."""

    def complete(self, request: Request) -> Reply:
        """Ask once.

        Raises:
            EndpointError: the endpoint refused, failed, or could not be reached.
            ReplyError: it answered, and there is nothing in the answer.
        """


class EmbeddingEndpoint(Protocol):
    """A model that turns texts into vectors."""

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector per text, in order, and what they cost."""


class Kind(StrEnum):
    """What sort of failure a call met. A batch stops at once for KEY and MONEY."""

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


class CallError(EndpointError):
    """A call failed for good.

    *usage* is what was paid for all the same; *retries* and *refused* are as in `Reply`.
    """

    kind: Kind = Kind.SERVER
    usage: Usage = Usage()
    retries: int = 0
    refused: int = 0


class AnswerError(ReplyError):
    """The model answered and was paid, and there is no text to read; fields as in `CallError`."""

    kind: Kind = Kind.EMPTY
    usage: Usage = Usage()
    retries: int = 0
    refused: int = 0


def spent(error: UnillmrecError) -> Usage:
    """Return what a failed call cost, which belongs on the bill as much as a reply does."""
    if isinstance(error, BudgetError) and isinstance(error.__cause__, UnillmrecError):
        return spent(error.__cause__)
    return error.usage if isinstance(error, CallError | AnswerError) else Usage()
