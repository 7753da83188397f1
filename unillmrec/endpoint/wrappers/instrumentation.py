"""Log every call, and trace it where OpenTelemetry is set up."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from unillmrec.endpoint.contract import (
    AnswerError,
    CallError,
    FullEndpoint,
    Reply,
    Request,
    usage_of,
)
from unillmrec.errors import UnillmrecError
from unillmrec.events import Event, logger
from unillmrec.usage import Stage, Usage

_LOG = logger("endpoint")


def instrument(endpoint: FullEndpoint) -> FullEndpoint:
    """Wrap *endpoint* so that every call is logged, and traced where OpenTelemetry is set up.

    The logger is `unillmrec.endpoint`. Spans and metrics are made if this process has imported
    OpenTelemetry, or if one of its `OTEL_*` variables is set.
    """
    return InstrumentedEndpoint(_traced(endpoint))


class InstrumentedEndpoint:
    """Log one event per call: stage, model, seconds, tokens, retries, outcome; never a text."""

    def __init__(self, endpoint: FullEndpoint) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint

    def complete(self, request: Request) -> Reply:
        """Return the endpoint's reply, and log the call."""
        started = time.monotonic()
        try:
            reply = self._endpoint.complete(request)
        except UnillmrecError as error:
            self._log_failure("call", request.stage, error, started)
            raise
        self._log(
            "call",
            request.stage,
            started,
            reply.usage,
            retries=reply.retries,
            refused=reply.refused,
            asked_with=reply.asked_with,
            finish=reply.finish,
            outcome="answered",
        )
        return reply

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Return the endpoint's vectors, and log the call."""
        started = time.monotonic()
        try:
            vectors, usage = self._endpoint.embed(texts)
        except UnillmrecError as error:
            self._log_failure("embedding", Stage.EMBED, error, started)
            raise
        self._log("embedding", Stage.EMBED, started, usage, texts=len(texts), outcome="answered")
        return vectors, usage

    def _log_failure(self, name: str, stage: Stage, error: UnillmrecError, started: float) -> None:
        known = error if isinstance(error, CallError | AnswerError) else None
        self._log(
            name,
            stage,
            started,
            usage_of(error),
            retries=known.retries if known else None,
            refused=known.refused if known else None,
            status=error.status if isinstance(error, CallError) else None,
            outcome=str(known.kind) if known else type(error).__name__,
        )

    def _log(self, name: str, stage: Stage, started: float, usage: Usage, **fields: object) -> None:
        _LOG.info(
            Event(
                name,
                stage=str(stage),
                model=self.model,
                endpoint=self.name,
                seconds=round(time.monotonic() - started, 3),
                calls=usage.calls,
                prompt=usage.prompt,
                completion=usage.completion,
                cached=usage.cached,
                reasoning=usage.reasoning,
                **fields,
            )
        )


def _traced(endpoint: FullEndpoint) -> FullEndpoint:
    """Wrap *endpoint* in OpenTelemetry spans if it is in use here; else import nothing of it."""
    if "opentelemetry" not in sys.modules and not any(
        name.startswith("OTEL_") for name in os.environ
    ):
        return endpoint
    try:
        from unillmrec.endpoint.wrappers.telemetry import TracedEndpoint
    except ImportError:
        return endpoint
    return TracedEndpoint(endpoint)
