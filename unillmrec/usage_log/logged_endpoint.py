"""Log the calls of an endpoint."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from unillmrec.endpoint import AnswerError, CallError, FullEndpoint, Reply, Request, usage_of
from unillmrec.errors import BudgetError, UnillmrecError
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Stage, Usage
from unillmrec.usage_log.calls import Call
from unillmrec.usage_log.writer import UNKNOWN, UsageLog

if TYPE_CHECKING:
    from unillmrec.prices import Price


class LoggedEndpoint:
    """Forwards to an endpoint, and adds every call with its cost to a log.

    It wraps the endpoint directly, because unusable replies and failed calls cost money too.
    *price* is the price of the model, if it is known.
    """

    def __init__(self, endpoint: FullEndpoint, log: UsageLog, price: Price | None = None) -> None:
        self.model = endpoint.model
        self.name = endpoint.name
        self._endpoint = endpoint
        self._log = log
        self._price = price
        self._counter = TokenCounter.for_model(endpoint.model)

    def complete(self, request: Request) -> Reply:
        """Send a request and log the call."""
        estimated = self._counter.count_messages([each.content for each in request.messages])
        call = Call(
            str(request.stage),
            "chat",
            self.model,
            self.name,
            Usage(),
            # Only a repeated question quotes an earlier reply.
            again=any(each.role == "assistant" for each in request.messages),
            about=request.about,
            person=request.person,
            max_output=request.max_output,
            price=self._price,
        )
        started = time.monotonic()
        self._log.begin(call)
        try:
            reply = self._endpoint.complete(request)
        except BaseException as error:
            self._log_failure(call, error, estimated, started)
            raise
        usage = replace(
            reply.usage,
            estimated_prompt=estimated,
            estimated_completion=self._counter.count(reply.text),
        )
        self._log.add(
            replace(
                call,
                usage=usage,
                asked_with=reply.asked_with,
                seconds=reply.seconds,
                retries=reply.retries,
                refused=reply.refused,
            ),
            begun=call,
        )
        return reply

    def embed(self, texts: Sequence[str]) -> tuple[list[list[float]], Usage]:
        """Embed texts and log the call."""
        estimated = sum(map(self._counter.count, texts))
        call = Call(
            str(Stage.EMBED), "embedding", self.model, self.name, Usage(), price=self._price
        )
        started = time.monotonic()
        self._log.begin(call)
        try:
            vectors, usage = self._endpoint.embed(texts)
        except BaseException as error:
            self._log_failure(call, error, estimated, started)
            raise
        usage = replace(_without_completion(usage), estimated_prompt=estimated)
        self._log.add(replace(call, usage=usage, seconds=time.monotonic() - started), begun=call)
        return vectors, usage

    def _log_failure(
        self, call: Call, error: BaseException, estimated: int, started: float
    ) -> None:
        # A budget that ends a call hides the failure that made it want more.
        cause = error.__cause__ if isinstance(error, BudgetError) and error.__cause__ else error
        failed = cause if isinstance(cause, CallError | AnswerError) else None
        # After Ctrl-C the server may still finish the request, and bill it.
        usage = usage_of(error) if isinstance(error, UnillmrecError) else UNKNOWN
        if call.kind == "embedding":
            usage = _without_completion(usage)
        self._log.add(
            replace(
                call,
                usage=replace(usage, estimated_prompt=estimated if usage.calls else 0),
                failure=_name_failure(error, failed),
                seconds=time.monotonic() - started,
                retries=failed.retries if failed else 0,
                refused=failed.refused if failed else 0,
            ),
            begun=call,
        )


def _name_failure(error: BaseException, failed: CallError | AnswerError | None) -> str:
    if failed:
        return str(failed.kind)
    return type(error).__name__ if isinstance(error, Exception) else "interrupted"


def _without_completion(usage: Usage) -> Usage:
    """Return the usage of embeddings: servers leave out what is 0, and vectors are no tokens."""
    if usage.prompt is None:
        return usage
    return replace(usage, completion=0, cached=usage.cached or 0, reasoning=0)
