"""One question to a model, asked again once if the answer cannot be used; every call is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from unillmrec.budget import BudgetTracker
from unillmrec.endpoint import CallError, Endpoint, Reply, Request, usage_of
from unillmrec.endpoint.estimates import with_estimates
from unillmrec.errors import BudgetError, ReplyError, UnillmrecError
from unillmrec.judge.prompt_writer import PromptWriter
from unillmrec.judge.questions import Exchange, keep_exchanges
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Usage

Read = TypeVar("Read")


@dataclass(slots=True)
class Dialogue:
    """A question on its way: what was sent, what came back, what it cost."""

    endpoint: Endpoint
    writer: PromptWriter
    tracker: BudgetTracker | None = None
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(
        self, request: Request, read: Callable[[str], Read], usable: Callable[[Read], bool]
    ) -> tuple[Read, ...]:
        """Return what was read of the answer, and of a second one if the first was unusable.

        Raises:
            BudgetError: the purse does not hold enough for the call.
            EndpointError: the endpoint refused, failed, or could not be reached. The calls
                are with it (`kept_exchanges`), and what they cost together if it has a cost.
        """
        first = read(self.send(request).text)
        if usable(first):
            return (first,)
        again = self.writer.again(request, self.exchanges[-1].reply)
        return first, read(self.send(again).text)

    def send(self, request: Request) -> Reply:
        """Return the answer to one request, an empty one if there was no text in it.

        Raises:
            BudgetError, EndpointError: as `ask` does.
        """
        failed = ""
        try:
            reply = complete_within(self.tracker, self.endpoint, request, self.writer.counter)
        except ReplyError as error:
            # An answer without a text was paid for all the same, and is as good as an unusable
            # one: it is asked for once more.
            reply, failed = Reply("", usage_of(error), "text", None, None, 0.0), _told(error)
        except UnillmrecError as error:
            self._ended(request, error)
            raise
        usage = reply.usage
        # An answer from a cache has taken nothing, by anybody's count.
        if usage.calls:
            usage = with_estimates(usage, request, reply.text, self.writer.counter)
        self.exchanges.append(
            Exchange(
                messages=_plain(request),
                reply=reply.text,
                usage=usage,
                asked_with=reply.asked_with,
                finish=reply.finish,
                model=reply.model,
                seconds=reply.seconds,
                error=failed,
                off_labels=_off_labels(request, reply),
            )
        )
        return reply

    def _ended(self, request: Request, error: UnillmrecError) -> None:
        """Let the error carry all calls, the one that failed last, and what they cost."""
        failed = Exchange(_plain(request), "", usage_of(error), error=_told(error))
        if not isinstance(error, BudgetError) or failed.usage.calls:
            self.exchanges.append(failed)
        keep_exchanges(error, self.exchanges)
        if isinstance(error, CallError):
            # The first of two calls may have been answered, and was paid for.
            error.usage = self.usage

    @property
    def usage(self) -> Usage:
        """What all calls cost together."""
        return sum((each.usage for each in self.exchanges), Usage())


def _off_labels(request: Request, reply: Reply) -> float | None:
    if not request.labels or not reply.shares:
        return None
    return round(max(0.0, 1.0 - sum(share for _, share in reply.shares)), 4)


def complete_within(
    tracker: BudgetTracker | None, endpoint: Endpoint, request: Request, counter: TokenCounter
) -> Reply:
    """Ask the endpoint; set aside beforehand what the call may take, and settle after it.

    Raises:
        BudgetError: the purse does not hold enough for the call.
    """
    if tracker is None:
        return endpoint.complete(request)
    longest = counter.at_most([each.content for each in request.messages])
    reservation = tracker.reserve(longest, request.max_output)
    try:
        reply = endpoint.complete(replace(request, reservation=reservation))
    except UnillmrecError as error:
        reservation.settle(usage_of(error))
        raise
    except BaseException:
        # Nobody may wait for what will not come; it may have been paid for.
        reservation.settle(Usage(1, None, None))
        raise
    # An answer that a cache or a recording gave was no call.
    reservation.settle(reply.usage, sent=reply.usage.calls > 0)
    return reply


def _plain(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple((each.role, each.content) for each in request.messages)


def _told(error: UnillmrecError) -> str:
    return " ".join(filter(None, (error.problem, error.detail)))
