"""A model behind any server that speaks OpenAI's Chat Completions."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from unillmrec.endpoint.access import Access
from unillmrec.endpoint.answers import Completion, read_completion, read_usage, read_vectors
from unillmrec.endpoint.asking import Asking, LimitParameter, Memory, WayOfAsking
from unillmrec.endpoint.calling import CHAT, EMBEDDINGS, Caller, Outcome
from unillmrec.endpoint.contract import AskedWith, Reply, Request
from unillmrec.endpoint.failures import Failure, Translator
from unillmrec.endpoint.patience import Patience
from unillmrec.errors import SettingsError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    import httpx2

_OURS = frozenset({"model", "messages", "stream", "n", "input"})
# Hosted servers take up to 2,048 texts, small ones far fewer.
_TEXTS_PER_REQUEST = 128


class OpenAIEndpoint:
    """One model at one address; safe to share between threads.

    *base_url* and *api_key* default to `OPENAI_BASE_URL` and `OPENAI_API_KEY`. An empty
    *api_key* sends none. *timeout_seconds* bounds a whole call, retries and waiting for them
    included; *concurrency* bounds the calls in flight. *extra_body* is added to every chat
    request as it is. *response_format* and *limit_parameter* are found out by asking unless
    they are given. An *http_client* must be asynchronous, and is closed with the endpoint.
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
        response_format: AskedWith | Literal["auto"] = "auto",
        limit_parameter: LimitParameter | Literal["auto"] = "auto",
        patience: Patience | None = None,
        http_client: httpx2.AsyncClient | None = None,
        sleep: Callable[[float], None] | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        # What the wire needs is loaded for those who use it: most imports of this package
        # are for the values alone.
        from unillmrec.endpoint.connection import Connection

        environ = os.environ if environ is None else environ
        self._access = Access.resolve(base_url, api_key, environ)
        self._model = model
        self._extra = _checked_extra(extra_body)
        self._memory = _memory(response_format, limit_parameter)
        self._closed = threading.Event()
        translator = Translator(self._access, model)
        self._connection = Connection(self._access, translator, http_client)
        self._caller = Caller(
            self._connection,
            translator,
            patience=patience or Patience(),
            concurrency=concurrency,
            timeout_seconds=timeout_seconds,
            # Waiting on the event instead of sleeping lets `close` end a pause at once.
            sleep=sleep or self._closed.wait,
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
    def way_of_asking(self) -> WayOfAsking:
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
            answer = read_completion(payload, self._access, self._model, request.max_output)
            return answer, answer.usage

        outcome = self._caller.call(CHAT, asking.body, read, asking.give_way, request.ticket)
        answer = outcome.value
        asking.answered(answer.text, answer.finish)
        return Reply(
            text=answer.text,
            usage=outcome.usage,
            asked_with=asking.way.response_format,
            finish=answer.finish,
            model=answer.model,
            seconds=outcome.seconds,
            retries=outcome.retries,
            refused=outcome.refused,
        )

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return one vector per text, in order, and what they cost.

        Raises:
            CallError: the endpoint refused, failed, or could not be reached.
            AnswerError: it answered with something else than these vectors.
        """
        vectors: list[list[float]] = []
        usage = Usage()
        for start in range(0, len(texts), _TEXTS_PER_REQUEST):
            outcome = self._embed_some(texts[start : start + _TEXTS_PER_REQUEST])
            vectors += outcome.value
            usage += outcome.usage
        return vectors, usage

    def close(self) -> None:
        """Stop every call in flight; each of them raises a `CallError`."""
        self._closed.set()
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
    response_format: AskedWith | Literal["auto"], limit_parameter: LimitParameter | Literal["auto"]
) -> Memory:
    """Start with the best way there is, or with what the user has settled."""
    way = WayOfAsking()
    settled: set[str] = set()
    if response_format != "auto":
        way = replace(way, response_format=response_format)
        settled.add("response_format")
    if limit_parameter != "auto":
        way = replace(way, limit_parameter=limit_parameter)
        settled.add(limit_parameter)
    return Memory(way, frozenset(settled))
