"""Send one small request to a server that is being probed, and return what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from unillmrec.endpoint.contract import FATAL_FAILURES, CallError, FailureKind, Message
from unillmrec.endpoint.openai_endpoint import OpenAIEndpoint
from unillmrec.endpoint.wire.responses import first_choice, has_reasoning, read_text, read_usage
from unillmrec.usage import Usage

# An unknown model is not among them: some servers answer so to a parameter they do not know.
_FATAL = FATAL_FAILURES - {FailureKind.MODEL}
_REFUSALS = frozenset({200, 400, 404, 413, 422, 500, 501})


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The answer to a probe, or its failure."""

    text: str = ""
    finish: str | None = None
    logprobs: object = None
    usage: Usage = field(default_factory=Usage)
    has_reasoning: bool = False
    failure: CallError | None = None

    @property
    def answered(self) -> bool:
        """Whether the server answered the request."""
        return self.failure is None

    @property
    def refused(self) -> bool:
        """Whether the server never takes such a request; other failures may pass."""
        failure = self.failure
        if failure is None:
            return False
        return failure.kind is FailureKind.TOO_LONG or failure.status in _REFUSALS

    @property
    def failure_detail(self) -> str:
        """One line about the failure; empty if there is an answer."""
        failure = self.failure
        return "" if failure is None else failure.detail or failure.problem


class ProbeClient:
    """Sends probes to one endpoint, and adds up their usage."""

    def __init__(self, endpoint: OpenAIEndpoint) -> None:
        self.usage = Usage()
        self._endpoint = endpoint

    def ask(
        self, prompt: str | Sequence[Message], limit: Mapping[str, int], **fields: object
    ) -> ProbeResult:
        """Send *prompt* with the limit parameter and *fields*, without any negotiation.

        Raises:
            CallError: the server could not be reached, or cannot answer any request.
        """
        messages = [Message("user", prompt)] if isinstance(prompt, str) else prompt
        body = {
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            **limit,
            **fields,
        }
        try:
            payload = self._endpoint.send(body)
        except CallError as error:
            self.usage += error.usage
            if error.kind in _FATAL:
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
            has_reasoning=bool(usage.reasoning) or has_reasoning(message),
        )
