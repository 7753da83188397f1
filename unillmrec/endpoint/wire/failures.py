"""Translate every way a call can fail into one sentence and a remedy, by type and status."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from unillmrec.endpoint.access import KEY_VARIABLE, Access
from unillmrec.endpoint.contract import AnswerError, CallError, FailureKind
from unillmrec.endpoint.wire.error_body import ErrorBody, parse_error_body
from unillmrec.endpoint.wire.retry_policy import read_retry_after
from unillmrec.items import one_line
from unillmrec.usage import Usage

_ANSWERED = Usage(calls=1, prompt=None, completion=None, cached=None, reasoning=None)
"""The answer had begun and was surely paid for, but did not say how much."""
_UNANSWERED = Usage(calls=0, prompt=None, completion=None, cached=None, reasoning=None)
"""No answer came; whether the server still works on the request, and bills it, is unknown."""

# Retrying helps with these statuses: they are about the server. Others are about the request.
_RETRYABLE = frozenset({408, 409, 425, 429, 500, 502, 503, 504, *range(520, 531)})
_ANSWER_WITHOUT_TEXT = frozenset({FailureKind.EMPTY, FailureKind.CUT, FailureKind.FILTERED})
_NO_CONTACT = frozenset({FailureKind.UNREACHABLE, FailureKind.TIMEOUT, FailureKind.CLOSED})


class Failure(Exception):
    """One attempt failed. It stays inside this package; callers get what `as_error` returns.

    *retry_after* is how many seconds the server demands to wait; *error_body* is its answer.
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
        retry_after: float | None = None,
        error_body: ErrorBody | None = None,
        usage: Usage | None = None,
    ) -> None:
        super().__init__(problem)
        self.kind = kind
        self.problem = problem
        self.detail = detail
        self.remedy = remedy
        self.retryable = retryable
        self.status = status
        self.retry_after = retry_after
        self.error_body = error_body or ErrorBody()
        self.usage = usage or Usage()

    @property
    def reached_server(self) -> bool:
        """Whether anything came back, even an error."""
        return self.kind not in _NO_CONTACT

    def without_request(self) -> Failure:
        """Return the same failure for a call that was not sent because of it."""
        return Failure(
            self.kind,
            self.problem,
            detail=f"{self.detail} Nothing was sent this time.".lstrip(),
            remedy=self.remedy,
            status=self.status,
            retry_after=self.retry_after,
            error_body=self.error_body,
        )

    def as_error(self, *, usage: Usage, retries: int, refused: int) -> CallError | AnswerError:
        """Return the error to raise, with the usage and the attempts of the whole call."""
        detail = self.detail
        if self.retry_after is not None:
            detail = f"{detail} It asks to wait {self.retry_after:.0f} seconds.".lstrip()
        if retries or refused:
            # A request with changed parameters is an attempt like any other.
            ways = f", in {refused + 1} ways" if refused else ""
            detail = f"{detail} It was tried {1 + retries + refused} times{ways}.".lstrip()
        error: CallError | AnswerError
        if self.kind in _ANSWER_WITHOUT_TEXT:
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
class FailureTranslator:
    """Makes a `Failure` of what went wrong with one model at one address."""

    access: Access
    model: str

    def from_status(self, status: int, body: object, headers: dict[str, str]) -> Failure:
        """Translate an answer with an error status, or one with an error body."""
        error_body = parse_error_body(body)
        kind, remedy = _classify(status, error_body)
        retryable = status in _RETRYABLE and kind in (FailureKind.RATE, FailureKind.SERVER)
        return Failure(
            kind,
            f"{self.access.base_url} answered HTTP {status} for model {self.model!r}.",
            detail=self._detail(kind, error_body),
            remedy=remedy,
            retryable=retryable and headers.get("x-should-retry") != "false",
            status=status,
            retry_after=read_retry_after(headers),
            error_body=error_body,
        )

    def from_error_body(self, status: int, body: object, headers: dict[str, str]) -> Failure:
        """Translate a good status with an error body, which may hold a status of its own."""
        return self.from_status(parse_error_body(body).status or status, body, headers)

    def foreign(self, status: int, content: str) -> Failure:
        """Return the failure for a server that does not speak this protocol."""
        return Failure(
            FailureKind.FOREIGN,
            f"{self.access.base_url} answered HTTP {status} with {content}, not with JSON.",
            detail="Something other than a model server may be listening there.",
            remedy="a base URL that ends in /v1, and no proxy or login page in between.",
            status=status,
        )

    def broken(self, status: int, how: str, error: Exception | None = None) -> Failure:
        """Return the failure for an answer that began but is incomplete."""
        failure = Failure(
            FailureKind.BROKEN,
            f"the answer of {self.access.base_url} for model {self.model!r} {how}.",
            detail="It was probably paid for all the same.",
            remedy="the same command again; if it happens again, look at the server's own log.",
            retryable=True,
            status=status,
            usage=_ANSWERED,
        )
        failure.__cause__ = error
        return failure

    def timed_out(self, seconds: float, *, by_deadline: bool = False) -> Failure:
        """Return the failure for a call whose time is over; there is no time left to retry it.

        *seconds* is what the call was allowed, which a deadline may have shortened.
        """
        more = "a longer --deadline" if by_deadline else "a longer --timeout-seconds"
        cause = "The deadline left no more time for it. " if by_deadline else ""
        return Failure(
            FailureKind.TIMEOUT,
            f"{self.access.base_url} had not answered after {seconds:.3g} seconds.",
            detail=f"{cause}The server may still finish the request, and bill it.",
            remedy=f"{more}, a smaller model, or fewer requests at once.",
            usage=_UNANSWERED,
        )

    def redirected(self, status: int, location: str) -> Failure:
        """Return the failure for a redirect; neither key nor prompt follows it."""
        target = self.access.redact(one_line(location, 200))
        return Failure(
            FailureKind.FOREIGN,
            f"{self.access.base_url} answered HTTP {status}, a redirect.",
            detail=f"It points to {target!r}; nothing was sent there." if target else "",
            remedy="that address as --base-url, without the route, if you trust it.",
            status=status,
        )

    def closed(self, *, sent: bool = False) -> Failure:
        """Return the failure for a call that was stopped because the endpoint was closed.

        What a request that was *sent* costs is unknown: the server may finish it.
        """
        return Failure(
            FailureKind.CLOSED,
            f"the call to {self.access.base_url} was stopped: the endpoint has been closed.",
            usage=_UNANSWERED if sent else None,
        )

    def unsendable(self, error: Exception) -> Failure:
        """Return the failure for a request that the HTTP library cannot make."""
        return Failure(
            FailureKind.REFUSED,
            f"the request to {self.access.base_url} could not be sent ({type(error).__name__}).",
            detail="A proxy's address, a header or the base URL may be malformed.",
            remedy="check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and OPENAI_CUSTOM_HEADERS.",
        )

    def unreachable(self, error: BaseException) -> Failure:
        """Translate a connection that failed, or broke before any answer."""
        cause, reason, remedy, retryable = _connection_problem(error)
        return Failure(
            FailureKind.UNREACHABLE,
            f"{self.access.base_url} could not be reached: {reason}.",
            detail=f"The system says: {cause}." if cause else "",
            remedy=remedy,
            retryable=retryable,
        )

    def _detail(self, kind: FailureKind, error_body: ErrorBody) -> str:
        parts = []
        if error_body.message:
            parts.append(f"It says: {self.access.redact(error_body.message)!r}.")
        if kind is FailureKind.KEY:
            parts.append(self.access.describe_key())
        if error_body.prompt_tokens is not None and error_body.context_tokens is not None:
            parts.append(
                f"The prompt has {error_body.prompt_tokens:,} tokens;"
                f" the model takes {error_body.context_tokens:,}."
            )
        return " ".join(parts)


def _classify(status: int, error_body: ErrorBody) -> tuple[FailureKind, str]:
    """Return the kind of an error answer, and what to do about it."""
    if error_body.is_money or status == 402:
        return FailureKind.MONEY, "add credit to the account, or use another key or endpoint."
    if error_body.is_too_long or status == 413:
        remedy = "a model with a longer context, or fewer and shorter choices."
        return FailureKind.TOO_LONG, remedy
    if error_body.is_filtered:
        return FailureKind.FILTERED, "another model, or leave out the items it objects to."
    if status in (401, 403):
        remedy = f"export a valid {KEY_VARIABLE}, or use --base-url for a local server."
        return FailureKind.KEY, remedy
    if status == 404 or error_body.is_unknown_model:
        remedy = "a --model that the server lists, and a base URL that ends in /v1."
        return FailureKind.MODEL, remedy
    if status == 429:
        return FailureKind.RATE, "fewer requests at once, or a longer --timeout-seconds."
    if status in _RETRYABLE:
        return FailureKind.SERVER, "again in a minute, or look at the server's own log."
    return FailureKind.REFUSED, "another model or endpoint; --trace FILE shows the exchange."


def _connection_problem(error: BaseException) -> tuple[str, str, str, bool]:
    """Return the system's message, our reason, the remedy, and whether retrying can help."""
    import socket
    import ssl

    address = "check the address, and that the server is running."
    for cause in _causes(error):
        message = (getattr(cause, "strerror", None) or "").rstrip(".")
        if isinstance(cause, socket.gaierror):
            # EAI_AGAIN is a problem of the resolver; other codes mean a wrong name.
            retryable = cause.errno == socket.EAI_AGAIN
            return message, "its name could not be resolved", "check the address.", retryable
        if isinstance(cause, ssl.SSLError):
            reason = cause.reason or message
            remedy = "http:// for a server without TLS, or SSL_CERT_FILE for its certificate."
            return reason, "a secure connection could not be established", remedy, False
        if isinstance(cause, ConnectionRefusedError):
            return message, "nothing listens there", address, True
    return "", "the connection failed or was dropped", address, True


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield *error*, and what caused it in turn, members of exception groups included."""
    for _ in range(20):
        if error is None:
            return
        yield error
        if isinstance(error, BaseExceptionGroup):
            yield from error.exceptions
        error = error.__cause__ or error.__context__
