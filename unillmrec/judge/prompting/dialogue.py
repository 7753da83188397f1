"""Ask a model one question, repeat it once after an unusable reply, and record every call."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from unillmrec.budget import BudgetTracker
from unillmrec.endpoint import CallError, Endpoint, Reply, Request, usage_of
from unillmrec.endpoint.estimates import with_estimates
from unillmrec.errors import BudgetError, ReplyError, UnillmrecError
from unillmrec.judge.prompting.prompt_writer import RETRY_MESSAGE, PromptWriter
from unillmrec.tokens import TokenCounter
from unillmrec.usage import Exchange, Usage

Read = TypeVar("Read")


@dataclass(slots=True)
class Dialogue:
    """The calls that answer one question; *exchanges* records them in order."""

    endpoint: Endpoint
    writer: PromptWriter
    tracker: BudgetTracker | None = None
    exchanges: list[Exchange] = field(default_factory=list)

    def ask(
        self,
        request: Request,
        read: Callable[[str], Read],
        usable: Callable[[Read], bool],
        retry_message: Callable[[Read], str] = lambda reading: RETRY_MESSAGE,
    ) -> tuple[Read, ...]:
        """Return the reading of the reply, followed by that of a second one if it was unusable.

        *retry_message* is what the second request says about an unusable reply.

        Raises:
            BudgetError: the rest of the budget does not cover the call.
            EndpointError: the endpoint refused, failed, or could not be reached. Its
                `exchanges` are all calls of the question, its `usage` their sum.
        """
        first = read(self.send(request).text)
        if usable(first):
            return (first,)
        reply = self.exchanges[-1].reply
        retry = self.writer.retry_request(request, reply, retry_message(first))
        return first, read(self.send(retry).text)

    def send(self, request: Request) -> Reply:
        """Return the reply to one request; its text is empty if the reply had none.

        Raises:
            BudgetError, EndpointError: as `ask` does.
        """
        failure = ""
        try:
            reply = complete_within(self.tracker, self.endpoint, request, self.writer.counter)
        except ReplyError as error:
            # An empty reply was paid for, and is treated like any unusable one: asked again.
            reply = Reply("", usage_of(error), "text", None, None, 0.0)
            failure = _in_one_line(error)
        except UnillmrecError as error:
            self._attach_exchanges(request, error)
            raise
        usage = reply.usage
        # A reply from a cache has no usage, so it gets no estimate either.
        if usage.calls:
            usage = with_estimates(usage, request, reply.text, self.writer.counter)
        self.exchanges.append(
            Exchange(
                messages=_as_pairs(request),
                reply=reply.text,
                usage=usage,
                asked_with=reply.asked_with,
                finish=reply.finish,
                model=reply.model,
                seconds=reply.seconds,
                error=failure,
                off_labels=_off_labels(request, reply),
            )
        )
        return reply

    def mark_uninformative(self, pattern: str) -> None:
        """Record in the last call that its reply fits a pattern without information."""
        if pattern:
            self.exchanges[-1] = replace(self.exchanges[-1], uninformative=pattern)

    def _attach_exchanges(self, request: Request, error: UnillmrecError) -> None:
        """Attach all calls to the error, the failed one last, and their total usage."""
        failed = Exchange(_as_pairs(request), "", usage_of(error), error=_in_one_line(error))
        if not isinstance(error, BudgetError) or failed.usage.calls:
            self.exchanges.append(failed)
        error.exchanges = tuple(self.exchanges)
        if isinstance(error, CallError):
            # Includes the first of two calls, which was answered and paid for.
            error.usage = self.usage

    @property
    def usage(self) -> Usage:
        """The total usage of all calls."""
        return sum((each.usage for each in self.exchanges), Usage())


def _off_labels(request: Request, reply: Reply) -> float | None:
    if not request.labels or not reply.shares:
        return None
    return round(max(0.0, 1.0 - sum(share for _, share in reply.shares)), 4)


def complete_within(
    tracker: BudgetTracker | None, endpoint: Endpoint, request: Request, counter: TokenCounter
) -> Reply:
    """Send a request; reserve the most it may cost in the budget first, and settle it afterwards.

    Raises:
        BudgetError: the rest of the budget does not cover the call.
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
        # An open reservation would block others. The call may have been paid for.
        reservation.settle(Usage(1, None, None))
        raise
    # A reply from a cache or a recording is not a call.
    reservation.settle(reply.usage, sent=reply.usage.calls > 0)
    return reply


def _as_pairs(request: Request) -> tuple[tuple[str, str], ...]:
    return tuple((each.role, each.content) for each in request.messages)


def _in_one_line(error: UnillmrecError) -> str:
    return " ".join(filter(None, (error.problem, error.detail)))
