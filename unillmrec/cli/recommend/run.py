"""Recommend to one person, or plan it, as the flags ask for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unillmrec.cli.exit_codes import INTERRUPTED
from unillmrec.cli.flags.values import budget_of, options_of, votes_of
from unillmrec.cli.shared.output import note
from unillmrec.cli.shared.plan_output import PlanReport
from unillmrec.cli.shared.progress import walk_progress
from unillmrec.cli.shared.session import open_session, plan_settings
from unillmrec.cli.shared.trace import open_trace
from unillmrec.errors import PersonError
from unillmrec.items import one_line
from unillmrec.people.history import read_history
from unillmrec.planning.shared_prefixes import Messages, SharedTokens, measure_shared_prefix
from unillmrec.session import PersonArguments, Session
from unillmrec.tokens import TokenCounter

if TYPE_CHECKING:
    from unillmrec.cli.recommend.request import RecommendRequest
    from unillmrec.judge import Exchange
    from unillmrec.prices import Money, Price
    from unillmrec.recommending.recommendation import Recommendation
    from unillmrec.settings import Settings
    from unillmrec.store import ItemTree
    from unillmrec.usage import Stage


@dataclass(frozen=True, slots=True)
class RecommendReport:
    """A recommendation, where it came from and what it cost.

    *items* is the size of the tree, *run* the name in the usage log. *prompts* holds the digests
    of the prompts a model was asked with, and *shared* what a prefix cache can serve of them.
    *cost* and *price* are None if unknown. *cache* is empty without a cache.
    """

    recommendation: Recommendation
    tree: Path
    items: int
    run: str
    prompts: Mapping[str, str]
    shared: SharedTokens
    cost: Money | None
    price: Price | None
    cache: Mapping[str, Any] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """The exit code of the command."""
        return INTERRUPTED if self.recommendation.partial == "interrupted" else 0

    @property
    def by_model(self) -> bool:
        """Whether a language model was asked."""
        return bool(self.prompts)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as --json prints it."""
        about = {
            "tree": str(self.tree),
            "run": self.run,
            "prompts": dict(self.prompts),
            "prefix": self.shared.as_dict(),
        }
        cache = {"cache": dict(self.cache)} if self.cache else {}
        cost = self.cost.as_dict() if self.cost else None
        return {**self.recommendation.as_dict(), "cost": cost, **about, **cache}


def recommend(request: RecommendRequest) -> RecommendReport:
    """Recommend with the judge of the settings."""
    prompts = _SentPrompts()
    history, arguments = read_history(request.history), _arguments(request, prompts)
    with open_session(request.tree, request, "recommend", votes_of(request)) as session:
        digests = session.prompt_digests() if session.asks_model else {}
        about = {"run": session.run, "judge": session.judge.name}
        with (
            open_trace(request.trace, about, digests) as write,
            walk_progress() as watch,
            _comma_hint(session.tree, request),
        ):
            recommendation = session.recommend(
                history,
                budget=budget_of(request),
                watch=watch,
                trace=write,
                **arguments,
            )
        _note_unknown(recommendation, session.tree, request, arguments["exclude"])
        return RecommendReport(
            recommendation,
            request.tree,
            len(session.tree),
            session.run,
            digests,
            prompts.shared(session.settings),
            session.cost_of(recommendation),
            session.price if session.asks_model else None,
            session.cache_report(),
        )


def plan(request: RecommendRequest) -> PlanReport:
    """Walk with the embedded judge, and count the prompts that a model would get."""
    prompts = _SentPrompts()
    history, arguments = read_history(request.history), _arguments(request, prompts)
    votes = votes_of(request)
    with Session(request.tree, plan_settings(request), votes=votes, notify=note) as session:
        with _comma_hint(session.tree, request):
            planned = session.plan(history, budget=budget_of(request), **arguments)
        _note_unknown(planned.recommendation, session.tree, request, arguments["exclude"])
        if planned.recommendation.note:
            note(planned.recommendation.note)
        return PlanReport(
            planned.plan,
            what="A recommendation",
            model=session.settings.model,
            walked=True,
            shared=prompts.shared(session.settings),
            about={
                "tree": str(request.tree),
                "prompts": session.prompt_digests(),
                "first_prompt": list(planned.first_prompt),
            },
        )


def _arguments(request: RecommendRequest, prompts: _SentPrompts) -> PersonArguments:
    return {
        "like": request.like or "",
        "profile": request.profile or "",
        "options": options_of(request),
        "where": request.where,
        "exclude": read_history(request.exclude),
        "on_call": prompts.add,
    }


@contextmanager
def _comma_hint(tree: ItemTree, request: RecommendRequest) -> Iterator[None]:
    """Add a hint to the error about unknown ids if the history is one id that has commas."""
    try:
        yield
    except PersonError as error:
        if hint := _hint_at_commas(tree, "--history", request.history):
            raise PersonError(error.problem, detail=hint[0], remedy=hint[1]) from error
        raise


def _note_unknown(
    recommendation: Recommendation,
    tree: ItemTree,
    request: RecommendRequest,
    exclude: Iterable[str],
) -> None:
    """Print which ids to exclude are not in the tree."""
    unknown = recommendation.unknown
    if not unknown:
        return
    first = ", ".join(map(repr, unknown[:5])) + (", …" if unknown[5:] else "")
    count = f"{len(unknown):,} of {len(set(exclude)):,}"
    note(f"{count} ids to exclude are not in {request.tree.name}: {first}.")
    if hint := _hint_at_commas(tree, "--exclude", request.exclude):
        note(f"{hint[0]} Try: {hint[1]}")


def _hint_at_commas(tree: ItemTree, flag: str, text: str | None) -> tuple[str, str] | None:
    """Return a detail and a remedy if all of *text* is one id that contains commas."""
    if text is None or "," not in text or not tree.items_by_id([text]):
        return None
    detail = f"{one_line(text, 80)!r} as a whole is an id; commas separate ids."
    return detail, f"{flag} {shlex.quote(json.dumps([text], ensure_ascii=False))}"


@dataclass(slots=True)
class _SentPrompts:
    """The prompts of a run, in the order in which they were sent."""

    prompts: list[Messages] = field(default_factory=list)

    def add(self, stage: Stage, exchange: Exchange) -> None:
        self.prompts.append(exchange.messages)

    def shared(self, settings: Settings) -> SharedTokens:
        """Return how many tokens of them a prefix cache can serve."""
        return measure_shared_prefix(self.prompts, TokenCounter.for_model(settings.model))
