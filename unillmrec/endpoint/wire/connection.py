"""Send one HTTP request through the openai client: no retries, no policy."""

from __future__ import annotations

import os
import ssl
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from unillmrec.endpoint.access import EMBEDDINGS, Access
from unillmrec.endpoint.wire.event_loop import BackgroundLoop, LoopStopped
from unillmrec.endpoint.wire.failures import Failure, FailureTranslator
from unillmrec.errors import SettingsError
from unillmrec.items import one_line
from unillmrec.system.untrusted_json import parse_json

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI
    from openai._response import AsyncAPIResponse

Result = TypeVar("Result")

_CONNECT_SECONDS = 10.0
_REDIRECTS = range(300, 400)
# What the HTTP library reads from the environment.
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")
_HEADERS = ("OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID")


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
            raise self._translator.closed(sent=error.was_started) from error

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

        from unillmrec.endpoint.wire.bodies import ACCEPTED_ENCODINGS, bound_body

        # The client would take these two from the environment and send them to any host.
        foreign = None if self._access.is_openai else ""
        with _explained():
            http_client = self._http_client or self._make_http_client()
            if bound_body not in http_client.event_hooks["response"]:
                hooks = http_client.event_hooks
                http_client.event_hooks = hooks | {"response": [*hooks["response"], bound_body]}
            return openai.AsyncOpenAI(
                api_key=self._access.key,
                base_url=self._access.connect_to,
                organization=foreign,
                project=foreign,
                # Given here, it wins over an Authorization line in OPENAI_CUSTOM_HEADERS.
                default_headers={
                    "Authorization": f"Bearer {self._access.key}",
                    "Accept-Encoding": ACCEPTED_ENCODINGS,
                },
                max_retries=0,
                # The background loop enforces the total time; a timeout here would be per read.
                timeout=openai.Timeout(None, connect=_CONNECT_SECONDS),
                http_client=http_client,
            )

    def _make_http_client(self) -> httpx2.AsyncClient:
        import openai

        is_local = self._access.is_loopback
        # A proxy from the environment does not lead to this machine. Redirects are not followed:
        # the user has not agreed to send key and prompts to another address.
        return openai.DefaultAsyncHttpxClient(
            verify=_local_certificates(self._access.base_url) if is_local else True,
            trust_env=not is_local,
            follow_redirects=False,
        )

    async def _translate(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of *work*; raise its errors as a `Failure`."""
        import httpx2
        import openai

        from unillmrec.endpoint.wire.bodies import UnusableBodyError

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
        except UnusableBodyError as error:
            raise self._translator.broken(200, str(error), error) from error
        except (Failure, TimeoutError):
            raise
        except Exception as error:
            # A port or a header that only fails when it is used, in an error of any library.
            raise self._translator.unsendable(error) from error

    async def _exchange(self, start: Any) -> Mapping[str, object]:
        async with start as response:
            content = await self._read(response)
        return self._parse(response, content)

    async def _read(self, response: AsyncAPIResponse[Any]) -> bytes:
        """Return the body of an answer whose status and headers have arrived."""
        import httpx2

        from unillmrec.endpoint.wire.bodies import UnusableBodyError, check_value_count

        try:
            content = b"".join([chunk async for chunk in response.iter_bytes()])
            check_value_count(content)
        except UnusableBodyError as error:
            raise self._translator.broken(response.status_code, str(error), error) from error
        except (httpx2.HTTPError, OSError) as error:
            raise self._translator.broken(response.status_code, "broke off", error) from error
        return content

    def _parse(self, response: AsyncAPIResponse[Any], content: bytes) -> Mapping[str, object]:
        status = response.status_code
        media = response.headers.get("content-type", "").split(";")[0].strip().lower()
        if content.lstrip()[:1] == b"<":
            raise self._translator.foreign(status, "a web page")
        try:
            value = parse_json(content)
        except ValueError as error:
            if content.lstrip()[:1] in (b"{", b"[", b""):
                raise self._translator.broken(status, "is cut off", error) from error
            raise self._translator.foreign(status, one_line(media, 80) or "plain text") from error
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if not isinstance(value, dict):
            raise self._translator.foreign(status, "something else")
        if value.get("error") and not value.get("choices") and not value.get("data"):
            headers = dict(response.headers)
            raise self._translator.from_error_body(status, value, headers)
        return self._access.redact_values(value)

    def _unless_it_shows_the_key(self, error: Exception) -> Exception | None:
        """Return *error* as a cause, unless its text repeats the key."""
        return None if self._access.redact(str(error)) != str(error) else error


def _local_certificates(base_url: str) -> ssl.SSLContext:
    """Return a context that trusts the certificates of this machine, or those of SSL_CERT_*."""
    if base_url.startswith("http:"):
        # Plain HTTP needs no certificates, and loading the trusted ones takes longer than a
        # request: a context that trusts none does as well.
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    file, folder = (os.environ.get(name) or None for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    return ssl.create_default_context(cafile=file, capath=None if file else folder)


@contextmanager
def _explained() -> Iterator[None]:
    """Name the variables that may be wrong when the HTTP library cannot be set up with them.

    Raises:
        SettingsError: it cannot. No value is quoted, for a proxy's address may hold a password.
    """
    try:
        yield
    except (ImportError, OSError, ValueError, TypeError) as error:
        raise _environment_error() from error
    except Exception as error:
        # The HTTP library has an error of its own for addresses.
        if type(error).__name__ != "InvalidURL":
            raise
        raise _environment_error() from error


def _environment_error() -> SettingsError:
    names = [name for name in (*_PROXIES, *_CERTIFICATES, *_HEADERS) if _is_set(name)]
    return SettingsError(
        "the connection cannot be set up with the proxies, certificates or headers"
        " of the environment.",
        detail=f"Set are {', '.join(names)}." if names else "",
        remedy="an http:// proxy with a numeric port, an existing file of certificates,"
        " and headers in ASCII; or unset them.",
    )


def _is_set(name: str) -> bool:
    return bool(os.environ.get(name) or os.environ.get(name.lower()))


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
