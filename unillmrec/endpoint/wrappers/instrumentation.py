"""Tell those who watch of every call: to the log, and to OpenTelemetry where that is set up."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from typing import Protocol

from unillmrec.endpoint.contract import (
    AnswerError,
    CallError,
    EmbeddingEndpoint,
    Endpoint,
    Reply,
    Request,
    spent,
)
from unillmrec.errors import UnillmrecError
from unillmrec.events import Event, logger
from unillmrec.usage import Stage, Usage

_LOG = logger("endpoint")


class WatchableEndpoint(Endpoint, EmbeddingEndpoint, Protocol):
    """An endpoint that answers questions and makes vectors."""


def watched(endpoint: WatchableEndpoint) -> WatchableEndpoint:
    """Return an endpoint that does the same and is heard of.

    Its calls are logged by `unillmrec.endpoint`. They are spans and metrics of OpenTelemetry
    as well where the package is in use in this process, or set up by its variables.
    """
    return WatchedEndpoint(_instrumented(endpoint))


class WatchedEndpoint:
    """Logs every call: stage, model, time, tokens, retries and how it ended; no text of it."""

    def __init__(self, endpoint: WatchableEndpoint) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint

    def complete(self, request: Request) -> Reply:
        """Ask once, and log it."""
        started = time.monotonic()
        try:
            reply = self._endpoint.complete(request)
        except UnillmrecError as error:
            self._failed("call", request.stage, error, started)
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
        """Turn texts into vectors, and log it."""
        started = time.monotonic()
        try:
            vectors, usage = self._endpoint.embed(texts)
        except UnillmrecError as error:
            self._failed("embedding", Stage.EMBED, error, started)
            raise
        self._log("embedding", Stage.EMBED, started, usage, texts=len(texts), outcome="answered")
        return vectors, usage

    def _failed(self, name: str, stage: Stage, error: UnillmrecError, started: float) -> None:
        known = error if isinstance(error, CallError | AnswerError) else None
        self._log(
            name,
            stage,
            started,
            spent(error),
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


def _instrumented(endpoint: WatchableEndpoint) -> WatchableEndpoint:
    """Put OpenTelemetry in between where somebody uses it, and load nothing where not."""
    if "opentelemetry" not in sys.modules and not any(
        name.startswith("OTEL_") for name in os.environ
    ):
        return endpoint
    try:
        from unillmrec.endpoint.wrappers.telemetry import MeasuredEndpoint
    except ImportError:
        return endpoint
    return MeasuredEndpoint(endpoint)
