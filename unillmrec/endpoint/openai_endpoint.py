"""The client for one model on any server that speaks OpenAI's Chat Completions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from unillmrec.endpoint.access import CHAT, EMBEDDINGS, Access
from unillmrec.endpoint.batch_api import BatchRoutes
from unillmrec.endpoint.calls.caller import Caller, CallResult
from unillmrec.endpoint.capabilities.capability_store import Capabilities, CapabilityStore
from unillmrec.endpoint.capabilities.negotiation import NegotiatedRequest
from unillmrec.endpoint.capabilities.request_style import (
    LearnedStyle,
    LimitParameter,
    RequestStyle,
)
from unillmrec.endpoint.contract import (
    AnswerError,
    CallError,
    FailureKind,
    Reply,
    Request,
    ResponseFormat,
)
from unillmrec.endpoint.truncation import check_truncation
from unillmrec.endpoint.wire.failures import Failure, FailureTranslator
from unillmrec.endpoint.wire.responses import Completion, read_completion, read_usage, read_vectors
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.errors import SettingsError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    import httpx2

Auto: TypeAlias = Literal["auto"]

# Fields that the endpoint sets itself.
_RESERVED = frozenset({"model", "messages", "stream", "n", "input"})
# Hosted servers take up to 2,048 texts, small ones far fewer.
TEXTS_PER_REQUEST = 128


class OpenAIEndpoint:
    """One model at one address; safe to share between threads.

    *base_url* and *api_key* default to `OPENAI_BASE_URL` and `OPENAI_API_KEY`; with an empty
    *api_key* none is sent. With *connect_to*, requests go there, and *base_url* only
    names the server. *timeout_seconds* limits a whole call, its retries and waits included;
    *concurrency* limits the requests in flight. *extra_body* is added to every chat request as it
    is. *response_format*, *limit_parameter* and *labels* (whether the server reports the
    probabilities of labels) are found out from the server's answers unless they are given; the
    file *capabilities_file*, if any, keeps what was found out for later processes. A given
    *http_client* must be asynchronous, and is closed with the endpoint.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        connect_to: str | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 60.0,
        concurrency: int = 8,
        extra_body: Mapping[str, object] | None = None,
        response_format: ResponseFormat | Auto = "auto",
        limit_parameter: LimitParameter | Auto = "auto",
        labels: bool | Auto = "auto",
        capabilities_file: Path | None = None,
        retry_policy: RetryPolicy | None = None,
        http_client: httpx2.AsyncClient | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # Loaded late: most importers of this package need only its values.
        from unillmrec.endpoint.wire.connection import Connection

        environ = os.environ if environ is None else environ
        self._access = Access.resolve(base_url, api_key, environ, connect_to)
        self._model = model
        self._extra = _check_extra(extra_body)
        self.capabilities = CapabilityStore(capabilities_file, self._access.base_url, model)
        self._learned = _learned_style(self.capabilities, response_format, limit_parameter, labels)
        self._settings = {
            "response_format": response_format,
            "limit_parameter": limit_parameter,
            "labels": labels,
        }
        self._closed = threading.Event()
        translator = FailureTranslator(self._access, model)
        self._connection = Connection(self._access, translator, http_client)
        self._caller = Caller(
            self._connection,
            translator,
            retry_policy=retry_policy or RetryPolicy(),
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            # Waiting on the event instead of sleeping lets `close` end a wait at once.
            sleep=sleep or self._closed.wait,
            clock=clock,
        )

    @property
    def model(self) -> str:
        """The name of the model on the server."""
        return self._model

    @property
    def name(self) -> str:
        """The host, and the port if the address has one."""
        return self._access.name

    @property
    def base_url(self) -> str:
        """The address that requests are sent to."""
        return self._access.base_url

    @property
    def notice(self) -> str:
        """A warning to show before the first call; mostly empty."""
        return self._access.notice

    @property
    def identity(self) -> Mapping[str, object]:
        """All but the request that determines an answer: address, model, fixed parameters."""
        identity = {
            "base_url": self.base_url,
            "model": self._model,
            "extra_body": dict(self._extra),
        }
        return identity | self._settings

    @property
    def request_style(self) -> RequestStyle:
        """The style of the next request; it changes when the server refuses a parameter."""
        return self._learned.style

    def complete(self, request: Request) -> Reply:
        """Return the model's reply, after retries and with other parameters where that helps.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
            AnswerError: the answer has no text.
        """
        negotiated = NegotiatedRequest(request, self._model, self._learned, self._extra)

        def read(payload: Mapping[str, object]) -> tuple[Completion, Usage]:
            answer = self._read_answer(payload, request)
            contents = [each.content for each in request.messages]
            source = (self._model, self.name)
            return answer, check_truncation(answer.usage, payload.get("usage"), contents, source)

        result = self._caller.call(
            CHAT, negotiated.body, read, negotiated.downgrade, request.reservation
        )
        answer = result.value
        negotiated.record_answer(answer)
        return Reply(
            text=answer.text,
            usage=result.usage,
            asked_with="labels" if request.labels else negotiated.style.response_format,
            finish=answer.finish,
            model=answer.model,
            seconds=result.seconds,
            retries=result.retries,
            refused=result.refused,
            shares=answer.shares or (),
        )

    def _read_answer(self, payload: Mapping[str, object], request: Request) -> Completion:
        try:
            return read_completion(
                payload, self._access, self._model, request.max_output, request.labels
            )
        except Failure as failure:
            if failure.kind is FailureKind.CUT and not request.labels:
                # It reasoned up to the limit, as models tend to do with temperature 0.
                self._learned.drop_temperature()
            raise

    def send(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Send *body* without negotiation, and return the JSON answer unread.

        Only the model and the fields of *extra_body* are added.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
        """
        full_body = {"model": self._model, **body, **self._extra}

        def read(payload: Mapping[str, object]) -> tuple[Mapping[str, object], Usage]:
            return payload, read_usage(payload.get("usage"))

        return self._caller.call(CHAT, lambda: full_body, read, _no_downgrade).value

    def models(self, seconds: float) -> Mapping[str, object] | None:
        """Return the server's list of models; None if it has no usable one within *seconds*.

        Raises:
            CallError: it could not be reached, or rejects the key.
        """
        try:
            return self._connection.get_models(seconds)
        except TimeoutError:
            return None
        except Failure as failure:
            if failure.kind in (FailureKind.UNREACHABLE, FailureKind.KEY):
                raise failure.as_error(usage=Usage(), retries=0, refused=0) from None
            return None

    @property
    def batches(self) -> BatchRoutes:
        """The routes of OpenAI's Batch API, for servers that have them."""
        return BatchRoutes(self._connection)

    def body_of(self, request: Request) -> dict[str, object]:
        """Return the JSON body of a request, for a batch file."""
        return NegotiatedRequest(request, self._model, self._learned, self._extra).body()

    def read(self, payload: Mapping[str, object], max_output: int) -> Reply:
        """Return the reply in an answer from a batch file.

        Raises:
            CallError, AnswerError: it has no text.
        """
        try:
            answer = read_completion(payload, self._access, self._model, max_output)
        except Failure as failure:
            raise failure.as_error(usage=failure.usage, retries=0, refused=0) from failure.__cause__
        response_format = self._learned.style.response_format
        return Reply(answer.text, answer.usage, response_format, answer.finish, answer.model, 0.0)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector per text, in order, and the usage of all requests.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
            AnswerError: the answer has no such vectors.
        """
        vectors: list[list[float]] = []
        usage = Usage()
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            try:
                result = self._embed_part(texts[start : start + TEXTS_PER_REQUEST])
            except (CallError, AnswerError) as error:
                # The earlier requests were answered, and paid for.
                error.usage = usage + error.usage
                raise
            vectors += result.value
            usage += result.usage
        return vectors, usage

    def _embed_part(self, texts: Sequence[str]) -> CallResult[list[list[float]]]:
        body: dict[str, object] = {"model": self._model, "input": list(texts)}

        def read(payload: Mapping[str, object]) -> tuple[list[list[float]], Usage]:
            vectors = read_vectors(payload, len(texts), self._access)
            return vectors, read_usage(payload.get("usage"))

        return self._caller.call(EMBEDDINGS, lambda: body, read, _no_downgrade)

    def close(self) -> None:
        """Stop every call in flight; each of them raises a `CallError`."""
        self._closed.set()
        self._caller.close()
        self._connection.close()

    def __enter__(self) -> OpenAIEndpoint:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"OpenAIEndpoint({self._model!r}, base_url={self.base_url!r})"


def _no_downgrade(failure: Failure, *, repeated: bool) -> bool:
    """Change nothing: the request has no parameter that could be left out."""
    return False


def _check_extra(extra_body: Mapping[str, object] | None) -> Mapping[str, object]:
    extra = dict(extra_body or {})
    reserved = sorted(_RESERVED & extra.keys())
    if reserved:
        raise SettingsError(
            f"extra_body holds {reserved[0]!r}, which the endpoint sets itself.",
            remedy="leave it out; model and limits have settings of their own.",
        )
    return extra


def _learned_style(
    store: CapabilityStore,
    response_format: ResponseFormat | Auto,
    limit_parameter: LimitParameter | Auto,
    labels: bool | Auto,
) -> LearnedStyle:
    """Start with the stored style, overridden by what the user has fixed for this run."""
    stored = (store.read() or Capabilities()).style
    style = stored
    fixed: set[str] = set()
    if response_format != "auto":
        style = replace(style, response_format=response_format)
        fixed.add("response_format")
    if limit_parameter != "auto":
        style = replace(style, limit_parameter=limit_parameter)
        fixed.add(limit_parameter)
    if labels != "auto":
        style = replace(style, labels=labels)
        fixed.add("logprobs")

    def save(learned: RequestStyle) -> None:
        # What the user has fixed for one run says nothing about the server.
        if response_format != "auto":
            learned = replace(learned, response_format=stored.response_format)
        if limit_parameter != "auto":
            learned = replace(learned, limit_parameter=stored.limit_parameter)
        if labels != "auto":
            learned = replace(learned, labels=stored.labels)
        store.write_style(learned)

    return LearnedStyle(style, frozenset(fixed), save)
