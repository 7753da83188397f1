"""Every way a call can fail, told by type and status, as one sentence and a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unillmrec.endpoint.access import KEY_VARIABLE, Access
from unillmrec.endpoint.contract import AnswerError, CallError, FailureKind
from unillmrec.endpoint.wire.error_body import ErrorBody, read_complaint
from unillmrec.endpoint.wire.retry_policy import asked_pause
from unillmrec.items import one_line
from unillmrec.usage import Usage

_ANSWERED = Usage(calls=1, prompt=None, completion=None, cached=None, reasoning=None)
"""An answer that was begun, and surely paid for, and did not say how much."""
_UNANSWERED = Usage(calls=0, prompt=None, completion=None, cached=None, reasoning=None)
"""No answer, and nobody knows whether the server works on, and bills, what it was asked."""

# What a server says about itself may pass; what it says about the request does not.
_PASSING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 531)})
_OF_THE_ANSWER = frozenset({FailureKind.EMPTY, FailureKind.CUT, FailureKind.FILTERED})
_OF_THE_WAY = frozenset({FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.CLOSED})


class Failure(Exception):
    """One attempt failed. It stays inside this package; people get what `as_error` makes of it.

    *pause* is what the server asks to wait; *complaint* is its error body.
    """

    def __init__(
        self,
        kind: FailureKind,
        problem: str,
        *,
        detail: str = "",
        remedy: str = "",
        retryable: bool = False,
        status: int | None = None,
        pause: float | None = None,
        complaint: ErrorBody | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.detail = detail
        self.remedy = remedy
        self.retryable = retryable
        self.status = status
        self.pause = pause
        self.complaint = complaint or ErrorBody()
        self.usage = usage or Usage()

    @property
    def has_reached(self) -> bool:
        """Whether anything came back, be it an error."""
        return self.kind not in _OF_THE_WAY

    def again(self) -> Failure:
        """Return the same failure for a call that was not even sent because of it."""
        return Failure(
            self.kind,
            self.problem,
            detail=f"{self.detail} Nothing was sent this time.".lstrip(),
            remedy=self.remedy,
            status=self.status,
            pause=self.pause,
            complaint=self.complaint,
        )

    def as_error(self, *, usage: Usage, retries: int, refused: int) -> CallError | AnswerError:
        """Return the error for people, with the cost and the effort of the whole call."""
        detail = self.detail
        if self.pause is not None:
            detail = f"{detail} It asks to wait {self.pause:.0f} seconds.".lstrip()
        if retries or refused:
            # A request that is put in another way is sent, and waited for, like any other.
            ways = f", in {refused + 1} ways" if refused else ""
            detail = f"{detail} It was tried {1 + retries + refused} times{ways}.".lstrip()
        error: CallError | AnswerError
        if self.kind in _OF_THE_ANSWER:
            error = AnswerError(self.problem, detail=detail, remedy=self.remedy)
        else:
            error = CallError(
                self.problem,
                detail=detail,
                remedy=self.remedy,
                retryable=self.retryable,
                status=self.status,
            )
        error.kind, error.usage = self.kind, usage
        error.retries, error.refused = retries, refused
        return error


@dataclass(frozen=True, slots=True)
class Translator:
    """Turns what went wrong into a `Failure`, for one address and one model."""

    access: Access
    model: str

    def from_status(self, status: int, body: object, headers: dict[str, str]) -> Failure:
        """Translate an answer with an error status, or with an error under a good one."""
        complaint = read_complaint(body)
        kind, remedy = self._judge(status, complaint)
        retryable = status in _PASSING and kind in (FailureKind.RATE, FailureKind.SERVER)
        return Failure(
            kind,
            f"{self.access.base_url} answered HTTP {status} for model {self.model!r}.",
            detail=self._details(kind, complaint),
            remedy=remedy,
            retryable=retryable and headers.get("x-should-retry") != "false",
            status=status,
            pause=asked_pause(headers),
            complaint=complaint,
        )

    def from_error_body(self, status: int, body: object, headers: dict[str, str]) -> Failure:
        """Translate a good status whose body is an error; it may name a status of its own."""
        return self.from_status(read_complaint(body).status or status, body, headers)

    def foreign(self, status: int, content: str) -> Failure:
        """Say that what answered does not speak this protocol."""
        return Failure(
            FailureKind.FOREIGN,
            f"{self.access.base_url} answered HTTP {status} with {content}, not with JSON.",
            detail="Something else than a model's server may be listening there.",
            remedy="a base URL that ends in /v1, and no proxy or login page in between.",
            status=status,
        )

    def broken(self, status: int, how: str, error: Exception | None = None) -> Failure:
        """Say that an answer began and did not end."""
        failure = Failure(
            FailureKind.BROKEN,
            f"the answer of {self.access.base_url} for model {self.model!r} {how}.",
            detail="It was probably paid for all the same.",
            remedy="the same command again; if it stays, look at the server's own log.",
            retryable=True,
            status=status,
            usage=_ANSWERED,
        )
        failure.__cause__ = error
        return failure

    def timed_out(self, seconds: float, *, by_deadline: bool = False) -> Failure:
        """Say that the time of the call is over. It is not repeated: its time is spent.

        *seconds* is what it was allowed, which a deadline may have cut short.
        """
        more = "a longer --deadline" if by_deadline else "a longer --timeout-seconds"
        return Failure(
            FailureKind.TIMEOUT,
            f"{self.access.base_url} had not answered after {seconds:.3g} seconds.",
            detail=" ".join(
                [
                    *(["A deadline left no more for it."] if by_deadline else []),
                    "The server may go on with the request, and bill it.",
                ]
            ),
            remedy=f"{more}, a smaller model, or fewer requests at once.",
            usage=_UNANSWERED,
        )

    def moved(self, status: int, place: str) -> Failure:
        """Say that the server sends its clients elsewhere, where neither key nor prompt goes."""
        where = self.access.redact(one_line(place, 200))
        return Failure(
            FailureKind.FOREIGN,
            f"{self.access.base_url} answered HTTP {status}, which leads elsewhere.",
            detail=f"It leads to {where!r}; nothing was sent there." if where else "",
            remedy="that address as --base-url, without the route, if you trust it.",
            status=status,
        )

    def closed(self) -> Failure:
        """Say that this side gave up."""
        return Failure(
            FailureKind.CLOSED,
            f"the call to {self.access.base_url} was stopped: the endpoint has been closed.",
        )

    def unreachable(self, error: BaseException) -> Failure:
        """Translate a connection that was not made, or broke before any answer."""
        cause, reason, remedy, passing = _connection_trouble(error)
        return Failure(
            FailureKind.UNREACHABLE,
            f"{self.access.base_url} could not be reached: {reason}.",
            detail=f"The system says: {cause}." if cause else "",
            remedy=remedy,
            retryable=passing,
        )

    def _judge(self, status: int, complaint: ErrorBody) -> tuple[FailureKind, str]:
        """Return the kind of an error answer, and what to do about it."""
        if complaint.is_money or status == 402:
            return FailureKind.MONEY, "add credit to the account, or use another key or endpoint."
        if complaint.is_too_long or status == 413:
            return (
                FailureKind.TOO_LONG,
                "a model with a longer context, or fewer and shorter choices.",
            )
        if complaint.is_filtered:
            return FailureKind.FILTERED, "another model, or leave out the items it objects to."
        if status in (401, 403):
            url = "use --base-url for a local server."
            return FailureKind.KEY, f"export a valid {KEY_VARIABLE}, or {url}"
        if status == 404 or complaint.is_model:
            return (
                FailureKind.MODEL,
                "a --model that the server lists, and a base URL that ends in /v1.",
            )
        if status == 429:
            return FailureKind.RATE, "fewer requests at once, or a longer --timeout-seconds."
        if status in _PASSING:
            return FailureKind.SERVER, "again in a minute, or look at the server's own log."
        return FailureKind.REFUSED, "another model or endpoint; --trace FILE shows the exchange."

    def _details(self, kind: FailureKind, complaint: ErrorBody) -> str:
        parts = []
        if complaint.message:
            parts.append(f"It says: {self.access.redact(complaint.message)!r}.")
        if kind is FailureKind.KEY:
            parts.append(self.access.describe_key())
        if complaint.prompt_tokens is not None and complaint.context_tokens is not None:
            parts.append(
                f"The prompt has {complaint.prompt_tokens:,} tokens;"
                f" the model takes {complaint.context_tokens:,}."
            )
        return " ".join(parts)


def _connection_trouble(error: BaseException) -> tuple[str, str, str, bool]:
    """Return the system's words, our reason, the remedy, and whether it may pass."""
    import socket
    import ssl

    address = "check the address, and that the server is running."
    for cause in _causes(error):
        words = (getattr(cause, "strerror", None) or "").rstrip(".")
        if isinstance(cause, socket.gaierror):
            # "Try again" is the resolver's own trouble; "not known" is a wrong name.
            passing = cause.errno == socket.EAI_AGAIN
            return words, "its name could not be resolved", "check the address.", passing
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or words
            remedy = "http:// for a server without TLS, or SSL_CERT_FILE for its certificate."
            return reason, "no secure connection came about", remedy, False
        if isinstance(cause, ConnectionRefusedError):
            return words, "nothing listens there", address, True
    return "", "the connection failed or was dropped", address, True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Walk from *error* down to what caused it, the members of groups included."""
    for _ in range(20):
        if error is None:
            return
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
