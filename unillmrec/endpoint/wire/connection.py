"""Send one HTTP request through the openai client: no retries, no policy."""

from __future__ import annotations

import json
import ssl
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from unillmrec.endpoint.access import EMBEDDINGS, Access
from unillmrec.endpoint.wire.event_loop import BackgroundLoop, LoopStopped
from unillmrec.endpoint.wire.failures import FailureTranslator

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._response import AsyncAPIResponse

Result = TypeVar("Result")

# Ten times the longest reply of any stage; a server that sends more never stops.
_LONGEST_BODY = 32 * 1024 * 1024
_CONNECT_SECONDS = 10.0
_REDIRECTS = range(300, 400)


class Connection:
    """Sends JSON to one address and returns the JSON answer, or raises a `Failure`."""

    def __init__(
        self,
        access: Access,
        translator: FailureTranslator,
        http_client: httpx2.AsyncClient | None,
    ) -> None:
        self._access = access
        self._translator = translator
        self._http_client = http_client
        self._client: AsyncOpenAI | None = None
        self._lock = threading.Lock()
        self._background = BackgroundLoop()
        # Closing is optional: an endpoint that is collected, or left at exit, closes itself.
        self._finalizer = weakref.finalize(self, self._background.stop)

    def post(self, route: str, body: Mapping[str, object], seconds: float) -> Mapping[str, object]:
        """Send *body* to *route* and return the JSON object that comes back within *seconds*.

        Raises:
            TimeoutError: nothing came back in time.
            Failure: anything else went wrong.
        """
        return self.run(lambda client: self._exchange(_start(client, route, body)), seconds)

    def get_models(self, seconds: float) -> Mapping[str, object]:
        """Return the server's list of models within *seconds*; raises as `post` does."""
        return self.run(
            lambda client: self._exchange(client.models.with_streaming_response.list()), seconds
        )

    def run(
        self, work: Callable[[AsyncOpenAI], Coroutine[Any, Any, Result]], seconds: float
    ) -> Result:
        """Return what *work* does with the client, for answers that need no reading here.

        Raises:
            TimeoutError: it took longer than *seconds*.
            Failure: anything else went wrong.
        """
        client = self._open_client()
        try:
            return self._background.run(lambda: self._translate(work(client)), seconds)
        except LoopStopped as error:
            raise self._translator.closed() from error

    def close(self) -> None:
        """Cancel every request in flight and close the connections."""
        client = self._client
        self._background.stop(client.close if client is not None else None)

    def _open_client(self) -> AsyncOpenAI:
        with self._lock:
            if self._client is None:
                self._client = self._make_client()
                self._finalizer.detach()
                self._finalizer = weakref.finalize(self, self._background.stop, self._client.close)
            return self._client

    def _make_client(self) -> AsyncOpenAI:
        import openai

        # The client would take these two from the environment and send them to any host.
        foreign = None if self._access.is_openai else ""
        return openai.AsyncOpenAI(
            api_key=self._access.key,
            base_url=self._access.base_url,
            organization=foreign,
            project=foreign,
            # Given here, it wins over an Authorization line in OPENAI_CUSTOM_HEADERS.
            default_headers={"Authorization": f"Bearer {self._access.key}"},
            max_retries=0,
            # The background loop enforces the total time; a timeout here would be per read.
            timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
            http_client=self._http_client or self._make_http_client(),
        )

    def _make_http_client(self) -> httpx2.AsyncClient:
        import openai

        is_local = self._access.is_loopback
        # Plain HTTP to this machine needs no certificates, and loading the trusted ones takes
        # longer than a request: a context that trusts none does as well.
        no_tls = is_local and self._access.base_url.startswith("http:")
        # A proxy from the environment does not lead to this machine. Redirects are not followed:
        # the user has not agreed to send key and prompts to another address.
        return openai.DefaultAsyncHttpxClient(
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if no_tls else True,
            trust_env=not is_local,
            follow_redirects=False,
        )

    async def _translate(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of *work*; raise its errors as a `Failure`."""
        import httpx2
        import openai

        try:
            return await work
        except openai.APIStatusError as error:
            headers = dict(error.response.headers)
            if error.status_code in _REDIRECTS:
                location = headers.get("location", "")
                raise self._translator.redirected(error.status_code, location) from error
            failure = self._translator.from_status(error.status_code, error.body, headers)
            raise failure from self._unless_it_shows_the_key(error)
        except (openai.APIConnectionError, httpx2.HTTPError, OSError) as error:
            raise self._translator.unreachable(error) from error

    async def _exchange(self, start: Any) -> Mapping[str, object]:
        async with start as response:
            content = await self._read(response)
        return self._parse(response, content)

    async def _read(self, response: AsyncAPIResponse[Any]) -> bytes:
        """Return the body of an answer whose status and headers have arrived."""
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

    def _parse(self, response: AsyncAPIResponse[Any], content: bytes) -> Mapping[str, object]:
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

    def _unless_it_shows_the_key(self, error: Exception) -> Exception | None:
        """Return *error* as a cause, unless its text repeats the key."""
        return None if self._access.redact(str(error)) != str(error) else error


def _start(client: AsyncOpenAI, route: str, body: Mapping[str, Any]) -> Any:
    """Start a request whose body we read: the client's own reading hides broken answers."""
    import openai

    # As arguments, the messages and the model would be checked against every type the client
    # knows, which takes a fifth of the time of a local request; `extra_body` is sent as it is.
    omitted: Any = openai.omit
    if route == EMBEDDINGS:
        return client.embeddings.with_streaming_response.create(
            model=omitted, input=omitted, encoding_format="float", extra_body=body
        )
    return client.chat.completions.with_streaming_response.create(
        model=omitted, messages=omitted, extra_body=body
    )
