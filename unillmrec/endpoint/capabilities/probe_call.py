"""One small request to a server that is being looked at, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unillmrec.endpoint.contract import FATAL_FAILURES, CallError, FailureKind, Message
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.responses import first_choice, has_thought, read_text, read_usage
from unillmrec.usage import Usage

# Nothing else is worth finding out about a server that answers like this.
_HOPELESS = FATAL_FAILURES - {FailureKind.MODEL}
_REFUSALS = frozenset({200, 400, 404, 413, 422, 500, 501})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """An answer, or the failure that came in its place."""

    text: str = ""
    finish: str | None = None
    logprobs: object = None
    usage: Usage = field(default_factory=Usage)
    thought: bool = False
    failure: CallError | None = None

    @property
    def answered(self) -> bool:
        """Whether the server took the request."""
        return self.failure is None

    @property
    def refused(self) -> bool:
        """Whether the server does not take such a request; else it may, at another time."""
        failure = self.failure
        if failure is None:
            return False
        return failure.kind is FailureKind.TOO_LONG or failure.status in _REFUSALS

    @property
    def unanswered(self) -> str:
        """One line about what came in place of an answer."""
        failure = self.failure
        return "" if failure is None else failure.detail or failure.problem


class Listener:
    """Asks one endpoint, and keeps the bill."""

    def __init__(self, endpoint: OpenAIEndpoint) -> None:
        self.usage = Usage()
        self._endpoint = endpoint

    def ask(
        self, asked: str | Sequence[Message], limit: Mapping[str, int], **fields: object
    ) -> ProbeResult:
        """Send one request with *limit* and *fields*.

        Raises:
            CallError: the server could not be reached, or no request to it can succeed.
        """
        messages = [Message("user", asked)] if isinstance(asked, str) else asked
        body = {
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            **limit,
            **fields,
        }
        try:
            payload = self._endpoint.send(body)
        except CallError as error:
            self.usage += error.usage
            if error.kind in _HOPELESS:
                raise
            return ProbeResult(failure=error)
        choice, message = first_choice(payload)
        usage = read_usage(payload.get("usage"))
        self.usage += usage
        finish = choice.get("finish_reason")
        return ProbeResult(
            text=read_text(message.get("content")),
            finish=finish if isinstance(finish, str) else None,
            logprobs=choice.get("logprobs"),
            usage=usage,
            thought=bool(usage.reasoning) or has_thought(message),
        )
