"""One request over the wire with the openai client, and nothing of its own opinion."""

from __future__ import annotations

import json
import ssl
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from unillmrec.endpoint.access import EMBEDDINGS, Access
from unillmrec.endpoint.wire.event_loop import Background, Stopped
from unillmrec.endpoint.wire.failures import Translator

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._response import AsyncAPIResponse

Result = TypeVar("Result")

# Ten times what the longest reply of any stage could be; beyond it somebody plays with us.
_LONGEST_BODY = 32 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_REDIRECTS = range(300, 400)


class Connection:
    """Sends JSON to one address and returns JSON, or raises a `Failure`."""

    def __init__(
        self, access: Access, translator: Translator, http_client: httpx2.AsyncClient | None
    ) -> None:
        self._access = access
        self._translator = translator
        self._http_client = http_client
        self._client: AsyncOpenAI | None = None
        self._lock = threading.Lock()
        self._background = Background()
        # Nobody has to close an endpoint: forgotten, or at exit, it closes itself.
        self._finalizer = weakref.finalize(self, self._background.stop)

    def post(self, route: str, body: Mapping[str, object], seconds: float) -> Mapping[str, object]:
        """Send *body* to *route* and return the JSON object that comes back within *seconds*.

        Raises:
            TimeoutError: nothing came back in time.
            Failure: anything else happened.
        """
        return self._run(lambda client: _stream(client, route, body), seconds)

    def get_models(self, seconds: float) -> Mapping[str, object]:
        """Return the server's list of models within *seconds*; raises as `post` does."""
        return self._run(lambda client: client.models.with_streaming_response.list(), seconds)

    def _run(self, start: Callable[[AsyncOpenAI], Any], seconds: float) -> Mapping[str, object]:
        client = self._opened()
        try:
            return self._background.run(lambda: self._exchange(lambda: start(client)), seconds)
        except Stopped as error:
            raise self._translator.closed() from error

    def do(
        self, work: Callable[[AsyncOpenAI], Coroutine[Any, Any, Result]], seconds: float
    ) -> Result:
        """Return what *work* does with the client, for routes whose answers it reads itself.

        Raises:
            TimeoutError: nothing came back in time.
            Failure: anything else happened.
        """
        client = self._opened()
        try:
            return self._background.run(lambda: self._translated(work(client)), seconds)
        except Stopped as error:
            raise self._translator.closed() from error

    def close(self) -> None:
        """Cut off every request in flight and close the connections."""
        client = self._client
        self._background.stop(client.close if client is not None else None)

    def _opened(self) -> AsyncOpenAI:
        with self._lock:
            if self._client is None:
                self._client = self._open()
                self._finalizer.detach()
                self._finalizer = weakref.finalize(self, self._background.stop, self._client.close)
            return self._client

    def _open(self) -> AsyncOpenAI:
        import openai

        http_client = self._http_client or self._http()
        # The client would take these two from the environment and send them to any host.
        foreign = None if self._access.is_openai else ""
        return openai.AsyncOpenAI(
            api_key=self._access.key,
            base_url=self._access.base_url,
            organization=foreign,
            project=foreign,
            # Said outright, it wins over an Authorization line in OPENAI_CUSTOM_HEADERS.
            default_headers={"Authorization": f"Bearer {self._access.key}"},
            max_retries=0,
            # The total is watched over by the background loop; here it would be per read.
            timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
            http_client=http_client,
        )

    def _http(self) -> httpx2.AsyncClient:
        import openai

        here = self._access.is_loopback
        # Over plain HTTP to this machine nobody shows a certificate, and to read those to hold
        # them against takes longer than a request: a context that trusts none does as well.
        plain = here and self._access.base_url.startswith("http:")
        # A proxy from the environment leads away from this machine, not to it. Nobody has agreed
        # to send key and prompts to where a server may lead.
        return openai.DefaultAsyncHttpxClient(
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if plain else True,
            trust_env=not here,
            follow_redirects=False,
        )

    async def _exchange(self, start: Callable[[], Any]) -> Mapping[str, object]:
        response, content = await self._translated(self._whole(start))
        return self._parsed(response, content)

    async def _whole(self, start: Callable[[], Any]) -> tuple[AsyncAPIResponse[Any], bytes]:
        async with start() as response:
            return response, await self._read(response)

    async def _translated(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return what *work* does; what it raises becomes a `Failure`."""
        import httpx2
        import openai

        try:
            return await work
        except openai.APIStatusError as error:
            headers = dict(error.response.headers)
            if error.status_code in _REDIRECTS:
                place = headers.get("location", "")
                raise self._translator.moved(error.status_code, place) from error
            failure = self._translator.from_status(error.status_code, error.body, headers)
            raise failure from self._unless_it_tells(error)
        except (openai.APIConnectionError, httpx2.HTTPError, OSError) as error:
            raise self._translator.unreachable(error) from error

    async def _read(self, response: AsyncAPIResponse[Any]) -> bytes:
        """Return the body, whose beginning has been seen already."""
        import httpx2

        chunks: list[bytes] = []
        length = 0
        try:
            async for chunk in response.iter_bytes():
                chunks.append(chunk)
                length += len(chunk)
                if length > _LONGEST_BODY:
                    raise self._translator.broken(response.status_code, "does not end")
        except (httpx2.HTTPError, OSError) as error:
            raise self._translator.broken(response.status_code, "broke off", error) from error
        return b"".join(chunks)

    def _parsed(self, response: AsyncAPIResponse[Any], content: bytes) -> Mapping[str, object]:
        status = response.status_code
        media = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if content.lstrip()[:1] == b"<":
            raise self._translator.foreign(status, "a web page")
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            if content.lstrip()[:1] in (b"{", b"[", b""):
                raise self._translator.broken(status, "is cut off", error) from error
            raise self._translator.foreign(status, media or "plain text") from error
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            raise self._translator.foreign(status, "something else")
        if value.get("error") and not value.get("choices") and not value.get("data"):
            headers = dict(response.headers)
            raise self._translator.from_error_body(status, value, headers)
        return value

    def _unless_it_tells(self, error: Exception) -> Exception | None:
        """Return *error* as a cause, unless its text repeats the key."""
        return None if self._access.redact(str(error)) != str(error) else error


def _stream(client: AsyncOpenAI, route: str, body: Mapping[str, Any]) -> Any:
    """Start a request whose body is read by us: the client's own reading hides broken ones."""
    import openai

    # `extra_body` is sent as it is, so a parameter the client does not know needs no detour; and
    # as an argument, each would be held against every kind of message and the name of every model
    # the client knows, which takes a fifth of the time a request takes here.
    none: Any = openai.omit
    if route == EMBEDDINGS:
        return client.embeddings.with_streaming_response.create(
            model=none, input=none, encoding_format="float", extra_body=body
        )
    return client.chat.completions.with_streaming_response.create(
        model=none, messages=none, extra_body=body
    )
