"""One question to a model, asked again once if the answer cannot be used; every call is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from unillmrec.endpoint import Endpoint, Message, Reply, Request, spent
from unillmrec.errors import ReplyError
from unillmrec.judge.questions import Exchange
from unillmrec.judge.writing import PromptWriter
from unillmrec.usage import Usage

COMPLAINT = (
    "That answer could not be used. Answer again, with nothing but the JSON object that was "
    "asked for, and only with numbers from the list."
)
# A runaway answer must not make the second prompt longer than the first.
QUOTED = 500

Read = TypeVar("Read")


@dataclass(slots=True)
class Dialogue:
    """A question on its way: what was sent, what came back, what it cost."""

    endpoint: Endpoint
    writer: PromptWriter
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(
        self, request: Request, read: Callable[[str], Read], usable: Callable[[Read], bool]
    ) -> tuple[Read, ...]:
        """Return what was read of the answer, and of a second one if the first was unusable.

        Raises:
            EndpointError: the endpoint refused, failed, or could not be reached.
        """
        first = read(self._send(request))
        if usable(first):
            return (first,)
        said = Message("assistant", self.exchanges[-1].reply[:QUOTED] or "(nothing)")
        again = replace(request, messages=(*request.messages, said, Message("user", COMPLAINT)))
        return first, read(self._send(again))

    def _send(self, request: Request) -> str:
        try:
            reply = self.endpoint.complete(request)
        except ReplyError as error:
            # An answer without a text was paid for all the same, and is as good as an unusable
            # one: it is asked for once more.
            reply = Reply("", spent(error), "text", None, None, 0.0)
        prompt, _ = self.writer.estimate(request)
        written = self.writer.counter.count(reply.text)
        usage = replace(reply.usage, estimated_prompt=prompt, estimated_completion=written)
        self.exchanges.append(
            Exchange(
                messages=tuple((each.role, each.content) for each in request.messages),
                reply=reply.text,
                usage=usage,
                asked_with=reply.asked_with,
                finish=reply.finish,
                model=reply.model,
                seconds=reply.seconds,
            )
        )
        return reply.text

    @property
    def usage(self) -> Usage:
        """What all calls cost together."""
        return sum((each.usage for each in self.exchanges), Usage())
