"""A model behind any server that speaks OpenAI's Chat Completions."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from unillmrec.endpoint.access import CHAT, EMBEDDINGS, Access
from unillmrec.endpoint.batch_api import BatchRoutes
from unillmrec.endpoint.calls.caller import Caller, Outcome
from unillmrec.endpoint.capabilities.capability_store import CapabilityStore, Known
from unillmrec.endpoint.capabilities.request_style import (
    Asking,
    LimitParameter,
    Memory,
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
from unillmrec.endpoint.truncation import checked_prompt
from unillmrec.endpoint.wire.failures import Failure, Translator
from unillmrec.endpoint.wire.responses import Completion, read_completion, read_usage, read_vectors
from unillmrec.endpoint.wire.retry_policy import RetryPolicy
from unillmrec.errors import SettingsError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    import httpx2

_OURS = frozenset({"model", "messages", "stream", "n", "input"})
# Hosted servers take up to 2,048 texts, small ones far fewer.
TEXTS_PER_REQUEST = 128


class OpenAIEndpoint:
    """One model at one address; safe to share between threads.

    *base_url* and *api_key* default to `OPENAI_BASE_URL` and `OPENAI_API_KEY`. An empty
    *api_key* sends none. *timeout_seconds* bounds a whole call, retries and waiting for them
    included; *concurrency* bounds the calls in flight. *extra_body* is added to every chat
    request as it is. *response_format*, *limit_parameter* and *labels*, whether probabilities
    of labels can be had, are found out by asking unless they are given; what was found out is
    kept in the file *notebook*, if there is one, for the next process. An *http_client* must
    be asynchronous, and is closed with the endpoint.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_seconds: float = 60.0,
        concurrency: int = 8,
        extra_body: Mapping[str, object] | None = None,
        response_format: ResponseFormat | Literal["auto"] = "auto",
        limit_parameter: LimitParameter | Literal["auto"] = "auto",
        labels: bool | Literal["auto"] = "auto",
        notebook: Path | None = None,
        patience: RetryPolicy | None = None,
        http_client: httpx2.AsyncClient | None = None,
        sleep: Callable[[float], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # What the wire needs is loaded for those who use it: most imports of this package
        # are for the values alone.
        from unillmrec.endpoint.wire.connection import Connection

        environ = os.environ if environ is None else environ
        self._access = Access.resolve(base_url, api_key, environ)
        self._model = model
        self._extra = _checked_extra(extra_body)
        self.notebook = CapabilityStore(notebook, self._access.base_url, model)
        self._memory = _memory(self.notebook, response_format, limit_parameter, labels)
        self._settled = {
            "response_format": response_format,
            "limit_parameter": limit_parameter,
            "labels": labels,
        }
        self._closed = threading.Event()
        translator = Translator(self._access, model)
        self._connection = Connection(self._access, translator, http_client)
        self._caller = Caller(
            self._connection,
            translator,
            patience=patience or RetryPolicy(),
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            # Waiting on the event instead of sleeping lets `close` end a pause at once.
            sleep=sleep or self._closed.wait,
            clock=clock,
        )

    @property
    def model(self) -> str:
        """The model, as the server knows it."""
        return self._model

    @property
    def name(self) -> str:
        """The host, and the port if there is one."""
        return self._access.name

    @property
    def base_url(self) -> str:
        """The address calls go to."""
        return self._access.base_url

    @property
    def notice(self) -> str:
        """What a person should be told before the first call; mostly nothing."""
        return self._access.notice

    @property
    def identity(self) -> Mapping[str, object]:
        """What makes an answer beside the request: the address, the model, what was settled."""
        about = {"base_url": self.base_url, "model": self._model, "extra_body": dict(self._extra)}
        return about | self._settled

    @property
    def way_of_asking(self) -> RequestStyle:
        """How the next call asks; it changes as the server refuses things."""
        return self._memory.way

    def complete(self, request: Request) -> Reply:
        """Ask once, and again where that can help.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
            AnswerError: it answered, and there is no text in the answer.
        """
        asking = Asking(request, self._model, self._memory, self._extra)

        def read(payload: Mapping[str, object]) -> tuple[Completion, Usage]:
            try:
                answer = read_completion(
                    payload, self._access, self._model, request.max_output, request.labels
                )
            except Failure as failure:
                if failure.kind is FailureKind.CUT and not request.labels:
                    # It thought until the limit, as models do that are given no chance.
                    self._memory.temperature_refused()
                raise
            contents = [each.content for each in request.messages]
            where = (self._model, self.name)
            return answer, checked_prompt(answer.usage, payload.get("usage"), contents, where)

        outcome = self._caller.call(CHAT, asking.body, read, asking.downgrade, request.reservation)
        answer = outcome.value
        asking.answered(answer)
        return Reply(
            text=answer.text,
            usage=outcome.usage,
            asked_with="labels" if request.labels else asking.way.response_format,
            finish=answer.finish,
            model=answer.model,
            seconds=outcome.seconds,
            retries=outcome.retries,
            refused=outcome.refused,
            shares=answer.shares or (),
        )

    def send(self, body: Mapping[str, object]) -> Mapping[str, object]:
        """Send a request as it is, and return the answer as it came: nothing is negotiated.

        Only the model and the user's own fields are added.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
        """
        whole = {"model": self._model, **body, **self._extra}

        def read(payload: Mapping[str, object]) -> tuple[Mapping[str, object], Usage]:
            return payload, read_usage(payload.get("usage"))

        return self._caller.call(CHAT, lambda: whole, read, _stand_firm).value

    def models(self, seconds: float) -> Mapping[str, object] | None:
        """Return what the server says of its models; None if it says nothing usable.

        Raises:
            CallError: it could not be reached, or does not take the key.
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
        """The routes for files of requests, where the endpoint has them."""
        return BatchRoutes(self._connection)

    def body_of(self, request: Request) -> dict[str, object]:
        """Return a request as it would be sent, for a file of requests."""
        return Asking(request, self._model, self._memory, self._extra).body()

    def read(self, payload: Mapping[str, object], max_output: int) -> Reply:
        """Return the reply in an answer that came in a file.

        Raises:
            CallError, AnswerError: there is no text in it.
        """
        try:
            answer = read_completion(payload, self._access, self._model, max_output)
        except Failure as failure:
            raise failure.as_error(usage=failure.usage, retries=0, refused=0) from failure.__cause__
        way = self._memory.way.response_format
        return Reply(answer.text, answer.usage, way, answer.finish, answer.model, 0.0)

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector per text, in order, and what they cost.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
            AnswerError: it answered with something else than these vectors.
        """
        vectors: list[list[float]] = []
        usage = Usage()
        for start in range(0, len(texts), TEXTS_PER_REQUEST):
            try:
                outcome = self._embed_some(texts[start : start + TEXTS_PER_REQUEST])
            except (CallError, AnswerError) as error:
                # The requests before it were answered, and paid for.
                error.usage = usage + error.usage
                raise
            vectors += outcome.value
            usage += outcome.usage
        return vectors, usage

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

    def _embed_some(self, texts: Sequence[str]) -> Outcome[list[list[float]]]:
        body: dict[str, object] = {"model": self._model, "input": list(texts)}

        def read(payload: Mapping[str, object]) -> tuple[list[list[float]], Usage]:
            vectors = read_vectors(payload, len(texts), self._access)
            return vectors, read_usage(payload.get("usage"))

        return self._caller.call(EMBEDDINGS, lambda: body, read, _stand_firm)


def _stand_firm(failure: Failure, *, repeated: bool) -> bool:
    """Change nothing: a request for vectors holds no parameter that could be left out."""
    return False


def _checked_extra(extra_body: Mapping[str, object] | None) -> Mapping[str, object]:
    extra = dict(extra_body or {})
    taken = sorted(_OURS & extra.keys())
    if taken:
        raise SettingsError(
            f"extra_body holds {taken[0]!r}, which the endpoint sets itself.",
            remedy="leave it out; model and limits have settings of their own.",
        )
    return extra


def _memory(
    notebook: CapabilityStore,
    response_format: ResponseFormat | Literal["auto"],
    limit_parameter: LimitParameter | Literal["auto"],
    labels: bool | Literal["auto"],
) -> Memory:
    """Start with the best way that is known, or with what the user has settled."""
    way = known = (notebook.read() or Known()).way
    settled: set[str] = set()
    if response_format != "auto":
        way = replace(way, response_format=response_format)
        settled.add("response_format")
    if limit_parameter != "auto":
        way = replace(way, limit_parameter=limit_parameter)
        settled.add(limit_parameter)
    if labels != "auto":
        way = replace(way, labels=labels)
        settled.add("logprobs")

    def keep(found: RequestStyle) -> None:
        # What the user has settled for one run is no finding.
        if response_format != "auto":
            found = replace(found, response_format=known.response_format)
        if limit_parameter != "auto":
            found = replace(found, limit_parameter=known.limit_parameter)
        if labels != "auto":
            found = replace(found, labels=known.labels)
        notebook.keep_way(found)

    return Memory(way, frozenset(settled), keep)
