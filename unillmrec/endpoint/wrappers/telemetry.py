"""Spans and metrics of OpenTelemetry, by its semantic conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ (as of its version 1.37, in development).
No prompt and no answer goes into a span.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from opentelemetry import metrics, trace

from unillmrec.endpoint.contract import AnswerError, CallError, Reply, Request, spent
from unillmrec.errors import UnillmrecError
from unillmrec.usage import Usage

if TYPE_CHECKING:
    from unillmrec.endpoint.wrappers.instrumentation import WatchableEndpoint

Attributes: TypeAlias = dict[str, str | int | tuple[str, ...]]

# The buckets are those that the conventions ask for.
_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [float(4**power) for power in range(14)]


class MeasuredEndpoint:
    """Passes everything on, each call as a span of its own and with its figures."""

    def __init__(self, endpoint: WatchableEndpoint) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        ours = ("unillmrec", version("unillmrec"))
        self._tracer = trace.get_tracer(*ours)
        meter = metrics.get_meter(*ours)
        self._duration = meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="GenAI operation duration.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._tokens = meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used.",
            explicit_bucket_boundaries_advisory=_TOKENS,
        )

    def complete(self, request: Request) -> Reply:
        """Ask once, in a span."""
        with self._operation("chat") as operation:
            operation.span.set_attributes(
                {
                    "gen_ai.request.max_tokens": request.max_output,
                    "unillmrec.stage": str(request.stage),
                }
            )
            reply = self._endpoint.complete(request)
            operation.answered(reply.usage, reply.model, reply.finish)
            return reply

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Turn texts into vectors, in a span."""
        with self._operation("embeddings") as operation:
            vectors, usage = self._endpoint.embed(texts)
            operation.answered(usage)
            return vectors, usage

    @contextmanager
    def _operation(self, name: str) -> Iterator[_Operation]:
        about = self._about(name)
        started = time.monotonic()
        with self._tracer.start_as_current_span(
            f"{name} {self.model}",
            kind=trace.SpanKind.CLIENT,
            attributes=about,
            # What an error says may quote the server, and the server the prompt.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            operation = _Operation(span, dict(about))
            try:
                yield operation
            except UnillmrecError as error:
                operation.failed(error)
                raise
            finally:
                self._measure(operation, time.monotonic() - started)

    def _about(self, operation: str) -> Attributes:
        host = urlsplit(f"//{self.name}")
        about: Attributes = {
            "gen_ai.operation.name": operation,
            # Whoever is behind the address: this is the protocol it is asked in.
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self.model,
            "server.address": host.hostname or self.name,
        }
        if host.port:
            about["server.port"] = host.port
        return about

    def _measure(self, operation: _Operation, seconds: float) -> None:
        self._duration.record(seconds, operation.about)
        about = {name: value for name, value in operation.about.items() if name != "error.type"}
        for kind, tokens in operation.tokens.items():
            if tokens is not None:
                self._tokens.record(tokens, {**about, "gen_ai.token.type": kind})


class _Operation:
    """One call while it lasts: its span, and what its figures are told apart by."""

    def __init__(self, span: trace.Span, about: Attributes) -> None:
        self.span = span
        self.about = about
        self.tokens: dict[str, int | None] = {}

    def answered(self, usage: Usage, model: str | None = None, finish: str | None = None) -> None:
        """Note what came back."""
        self._spent(usage)
        if model:
            self.about["gen_ai.response.model"] = model
            self.span.set_attribute("gen_ai.response.model", model)
        if finish:
            self.span.set_attribute("gen_ai.response.finish_reasons", (finish,))

    def failed(self, error: UnillmrecError) -> None:
        """Note how it ended, and what it cost all the same."""
        known = isinstance(error, CallError | AnswerError)
        kind = str(error.kind) if isinstance(error, CallError | AnswerError) else "budget"
        self.about["error.type"] = kind
        self.span.set_attribute("error.type", kind)
        self.span.set_status(trace.StatusCode.ERROR, kind)
        if known and spent(error).calls:
            self._spent(spent(error))

    def _spent(self, usage: Usage) -> None:
        self.tokens = {"input": usage.prompt, "output": usage.completion}
        told = {
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
            "gen_ai.usage.cache_read.input_tokens": usage.cached,
        }
        for name, tokens in told.items():
            # Unknown is not zero, and an attribute without a value says so.
            if tokens is not None:
                self.span.set_attribute(name, tokens)
