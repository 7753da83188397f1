"""OpenTelemetry spans and metrics, after its semantic conventions for generative AI.

https://opentelemetry.io/docs/specs/semconv/gen-ai/ (as of its version 1.37, in development).
A span holds neither prompt nor answer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import TypeAlias
from urllib.parse import urlsplit

from opentelemetry import metrics, trace

from unillmrec.endpoint.contract import AnswerError, CallError, FullEndpoint, Reply, Request
from unillmrec.errors import UnillmrecError
from unillmrec.usage import Usage

Attributes: TypeAlias = dict[str, str | int | tuple[str, ...]]

# Bucket bounds as the conventions prescribe them.
_SECONDS = [0.01 * 2**power for power in range(14)]
_TOKENS = [float(4**power) for power in range(14)]


class TracedEndpoint:
    """Pass calls on to *endpoint*, with one span and its metrics for each."""

    def __init__(self, endpoint: FullEndpoint) -> None:
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
        """Return the endpoint's reply, within a span."""
        with self._start_span("chat") as call:
            call.span.set_attributes(
                {
                    "gen_ai.request.max_tokens": request.max_output,
                    "unillmrec.stage": str(request.stage),
                }
            )
            reply = self._endpoint.complete(request)
            call.record_answer(reply.usage, reply.model, reply.finish)
            return reply

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return the endpoint's vectors, within a span."""
        with self._start_span("embeddings") as call:
            vectors, usage = self._endpoint.embed(texts)
            call.record_answer(usage)
            return vectors, usage

    @contextmanager
    def _start_span(self, operation: str) -> Iterator[_CallSpan]:
        attributes = self._attributes(operation)
        started = time.monotonic()
        with self._tracer.start_as_current_span(
            f"{operation} {self.model}",
            kind=trace.SpanKind.CLIENT,
            attributes=attributes,
            # An error message may quote the server, and the server the prompt.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            call = _CallSpan(span, dict(attributes))
            try:
                yield call
            except UnillmrecError as error:
                call.record_failure(error)
                raise
            finally:
                self._record_metrics(call, time.monotonic() - started)

    def _attributes(self, operation: str) -> Attributes:
        host = urlsplit(f"//{self.name}")
        attributes: Attributes = {
            "gen_ai.operation.name": operation,
            # Whatever server it is: the conventions name the protocol here.
            "gen_ai.provider.name": "openai",
            "gen_ai.request.model": self.model,
            "server.address": host.hostname or self.name,
        }
        if host.port:
            attributes["server.port"] = host.port
        return attributes

    def _record_metrics(self, call: _CallSpan, seconds: float) -> None:
        attributes = call.attributes
        self._duration.record(seconds, attributes)
        shared = {name: value for name, value in attributes.items() if name != "error.type"}
        for kind, tokens in call.tokens.items():
            if tokens is not None:
                self._tokens.record(tokens, {**shared, "gen_ai.token.type": kind})


class _CallSpan:
    """The span of one call, and the attributes of its metrics."""

    def __init__(self, span: trace.Span, attributes: Attributes) -> None:
        self.span = span
        self.attributes = attributes
        self.tokens: dict[str, int | None] = {}

    def record_answer(
        self, usage: Usage, model: str | None = None, finish: str | None = None
    ) -> None:
        """Set the attributes of an answer."""
        self._record_usage(usage)
        if model:
            self.attributes["gen_ai.response.model"] = model
            self.span.set_attribute("gen_ai.response.model", model)
        if finish:
            self.span.set_attribute("gen_ai.response.finish_reasons", (finish,))

    def record_failure(self, error: UnillmrecError) -> None:
        """Set the error type, and the tokens that the failed call cost all the same."""
        kind = str(error.kind) if isinstance(error, CallError | AnswerError) else "budget"
        self.attributes["error.type"] = kind
        self.span.set_attribute("error.type", kind)
        self.span.set_status(trace.StatusCode.ERROR, kind)
        if isinstance(error, CallError | AnswerError) and error.usage.calls:
            self._record_usage(error.usage)

    def _record_usage(self, usage: Usage) -> None:
        self.tokens = {"input": usage.prompt, "output": usage.completion}
        counts = {
            "gen_ai.usage.input_tokens": usage.prompt,
            "gen_ai.usage.output_tokens": usage.completion,
            "gen_ai.usage.cache_read.input_tokens": usage.cached,
        }
        for name, tokens in counts.items():
            # Unknown is not zero: such an attribute is left out.
            if tokens is not None:
                self.span.set_attribute(name, tokens)
