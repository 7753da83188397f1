"""The line from start to end: profile, recall, rank, rerank."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unillmrec.budget import Budget, BudgetTracker
from unillmrec.errors import PersonError
from unillmrec.items import one_line
from unillmrec.judge import (
    Exchange,
    Judge,
    Profile,
    Question,
    SimilarityJudge,
    Verdict,
    WidthLimitedJudge,
)
from unillmrec.recommending.reasons import reasons_for
from unillmrec.recommending.recommendation import Recommendation, RecommendedItem
from unillmrec.stages import Candidate, Options, Person, Run, WalkStep
from unillmrec.stages import profile as profile_stage
from unillmrec.stages import rank as rank_stage
from unillmrec.stages import recall as recall_stage
from unillmrec.stages import rerank as rerank_stage
from unillmrec.store import ItemTree, PlacedItem
from unillmrec.usage import Stage

if TYPE_CHECKING:
    from unillmrec.store.columns.selection import Selection

ProfileStage = Callable[[Run, Person, Sequence[PlacedItem]], Profile]
RecallStage = Callable[[Run, Profile], list[Candidate]]
RankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
RerankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
Trace = Callable[[dict[str, Any]], None]
OnCall = Callable[[Stage, Exchange], None]


class Recommender:
    """Recommends items of one tree. Each stage is a function and can be replaced.

    Without a *judge* the embedded similarity judge answers.
    """

    def __init__(
        self,
        tree: ItemTree | str | Path,
        judge: Judge | None = None,
        *,
        profile: ProfileStage = profile_stage,
        recall: RecallStage = recall_stage,
        rank: RankStage = rank_stage,
        rerank: RerankStage = rerank_stage,
    ) -> None:
        self.tree = tree if isinstance(tree, ItemTree) else ItemTree.open(tree)
        self.judge = judge or SimilarityJudge(self.tree)
        self._profile = profile
        self._recall = recall
        self._rank = rank
        self._rerank = rerank

    def recommend(
        self,
        history: Sequence[str] = (),
        *,
        like: str = "",
        profile: str = "",
        limit: int | None = None,
        options: Options | None = None,
        where: Selection | str | None = None,
        exclude: Iterable[str] = (),
        budget: Budget | BudgetTracker | None = None,
        watch: Callable[[WalkStep], None] | None = None,
        trace: Trace | None = None,
        on_call: OnCall | None = None,
    ) -> Recommendation:
        """Recommend to the person with this *history* (ids, oldest first), or who says so.

        *limit* stands in for `options.limit`. *where* is a predicate over attributes, such as
        `price < 20 and in_stock`; only items for which it holds are looked at, and none of
        those to *exclude*. What `select` returns serves many people. With a *budget* the list
        comes whatever happens: when the budget is spent, a call fails, or somebody interrupts,
        the embedded judge finishes it, and the result is *partial*. Several calls may share one
        `BudgetTracker`.
        *watch* is told of each opened node, *trace* of each question and answer, *on_call* of
        each call to an endpoint.

        Raises:
            PersonError: nothing is known about the person, or an id is not in the tree.
            PredicateError: *where* cannot be read, or does not fit the attributes.
        """
        chosen = options or Options()
        if limit is not None:
            chosen = chosen.with_limit(limit)
        return self.recommend_to(
            Person(tuple(history), like, profile),
            chosen,
            where=where,
            exclude=exclude,
            budget=budget,
            watch=watch,
            trace=trace,
            on_call=on_call,
        )

    def select(self, where: str) -> Selection:
        """Find the items for which a predicate holds.

        Raises:
            PredicateError: it cannot be read, or does not fit the attributes of the tree.
        """
        from unillmrec.store.columns.selection import Selection

        return Selection.of(self.tree, where)

    def recommend_to(
        self,
        person: Person,
        options: Options,
        *,
        where: Selection | str | None = None,
        exclude: Iterable[str] = (),
        budget: Budget | BudgetTracker | None = None,
        watch: Callable[[WalkStep], None] | None = None,
        trace: Trace | None = None,
        on_call: OnCall | None = None,
    ) -> Recommendation:
        """Recommend to *person*."""
        started = time.perf_counter()
        tracker = BudgetTracker(budget) if isinstance(budget, Budget) else budget
        history = find_history(self.tree, person.history)
        selection = self.select(where) if isinstance(where, str) else where
        with _executor(self.judge) as threads:
            run = Run(self.tree, self.judge, options, selection, threads.executor, tracker)
            run.watch = watch or run.watch
            run.on_call = on_call or run.on_call
            run.trace = partial(_write_trace, trace) if trace else run.trace
            run.person = person.label
            run.exclude(history)
            unknown = _exclude(run, exclude)
            made = self._recommendation(run, person, history)
            threads.waits = run.partial != "interrupted"
        return replace(made, unknown=unknown, seconds=time.perf_counter() - started)

    def _recommendation(
        self, run: Run, person: Person, history: Sequence[PlacedItem]
    ) -> Recommendation:
        """Go through the stages; where nothing is eligible, through none of them."""
        eligible = run.eligible(run.root)
        profile = self._profile(run, person, history) if eligible else Profile(())
        candidates = self._recall(run, profile) if eligible else []
        ranked = self._rank(run, profile, candidates) if eligible else []
        listed = self._rerank(run, profile, ranked) if eligible else []
        return Recommendation(
            items=_recommended(run, profile, history, listed),
            profile=profile,
            judge=_told_judge(run),
            usage=run.bill.by_stage(),
            dropped=run.dropped,
            opened=tuple(run.opened),
            candidates=tuple(each.placed.item.id for each in candidates),
            excluded=len(run.eligibility.excluded),
            eligible=eligible,
            where=run.selection.predicate.text if run.selection else None,
            walk=run.walk,
            ended=run.ended,
            waits=dict(run.waits),
            partial=run.partial or run.cut,
            overrun=run.tracker.overrun if run.tracker else 0,
            note=run.failure if eligible else _nothing_eligible(run),
        )


def _told_judge(run: Run) -> str:
    """Name the judge, and who had to answer in its place."""
    answers = f"{run.answers:,} answer{'' if run.answers == 1 else 's'}"
    # What a name says in parentheses is for where it stands alone.
    others = [
        f"{name.partition(' (')[0]} for {count:,} of {answers}"
        for name, count in run.fallback_answers.items()
    ]
    return "; ".join([run.judge.name, *others])


def _exclude(run: Run, ids: Iterable[str]) -> tuple[str, ...]:
    """Keep items out; return the ids that the tree does not have."""
    wanted = list(dict.fromkeys(ids))
    places = run.tree.locate(wanted)
    run.eligibility.exclude(places.values())
    return tuple(item_id for item_id in wanted if item_id not in places)


def _nothing_eligible(run: Run) -> str:
    """Say why no item may be recommended."""
    if run.selection is None:
        return f"No item is left: all {len(run.tree):,} are in the history or excluded."
    where, fitting = one_line(run.selection.predicate.text, 120), run.selection.total
    if not fitting:
        return f"No item is left: none of {len(run.tree):,} fits {where}."
    return f"No item is left: all {fitting:,} that fit {where} are in the history or excluded."


def find_history(tree: ItemTree, ids: Sequence[str]) -> list[PlacedItem]:
    """Return the items of a history, in its order, each once at its last place.

    Raises:
        PersonError: an id is not in the tree.
    """
    found = tree.items_by_id(ids)
    missing = [item_id for item_id in dict.fromkeys(ids) if item_id not in found]
    if missing:
        near = tree.nearest_id(missing[0])
        shown = ", ".join(map(repr, missing[:5])) + (", …" if len(missing) > 5 else "")
        raise PersonError(
            f"{len(missing)} of {len(set(ids))} history items are not in "
            f"{tree.path.name}: {shown}.",
            detail=f"The nearest id to {missing[0]!r} is {near!r}." if near else "",
            remedy=f"`unillmrec tree {tree.path} --find TEXT` to look an item up.",
        )
    last_places = dict.fromkeys(reversed(ids))
    return [found[item_id] for item_id in reversed(last_places)]


@dataclass(slots=True)
class _Threads:
    """Threads for questions, and whether those under way are waited for at the end."""

    executor: ThreadPoolExecutor | None
    waits: bool = False


@contextmanager
def _executor(judge: Judge) -> Iterator[_Threads]:
    """Give threads for the judge's questions; a walk that breaks off does not wait for them."""
    # Where nothing is sent, nobody waits for an answer, and each thread would open the tree anew.
    if judge.at_once < 2 or isinstance(judge, WidthLimitedJudge):
        yield _Threads(None)
        return
    executor = ThreadPoolExecutor(judge.at_once, thread_name_prefix="unillmrec")
    threads = _Threads(executor)
    try:
        yield threads
    finally:
        executor.shutdown(wait=threads.waits, cancel_futures=True)


def _recommended(
    run: Run, profile: Profile, history: Sequence[PlacedItem], listed: Sequence[Candidate]
) -> tuple[RecommendedItem, ...]:
    reasons = reasons_for(run.tree, profile, history, [each.placed for each in listed])
    return tuple(
        RecommendedItem(
            item=each.placed.item,
            place=place,
            score=each.score,
            reason=reason.text,
            branch=reason.branch,
            found=each.found,
        )
        for place, (each, reason) in enumerate(zip(listed, reasons, strict=True), start=1)
    )


def _write_trace(
    write: Trace, stage: Stage, answer: Exchange | Verdict, question: Question | None
) -> None:
    """Write one line for each exchange, or one for an answer that took none.

    An exchange alone is one about a history, or of a question that failed.
    """
    asked: dict[str, Any] = {"stage": str(stage), "kind": question.kind if question else "profile"}
    if question:
        told = [f"{choice.number}. {choice.line}" for choice in question.choices]
        asked |= {"where": question.where, "choices": told}
    if isinstance(answer, Exchange):
        write(asked | _told_exchange(answer))
        return
    asked |= {
        "scores": [[number, round(score, 2)] for number, score in answer.scores],
        "dropped": answer.dropped.as_dict(),
    }
    if answer.shares:
        asked["shares"] = [[number, round(share, 6)] for number, share in answer.shares]
    for exchange in answer.exchanges or (None,):
        write(asked | (_told_exchange(exchange) if exchange else {}))


def _told_exchange(exchange: Exchange) -> dict[str, Any]:
    some: dict[str, Any] = {"error": exchange.error} if exchange.error else {}
    if exchange.off_labels is not None:
        some["off_labels"] = exchange.off_labels
    return {
        **some,
        "messages": [{"role": role, "content": content} for role, content in exchange.messages],
        "reply": exchange.reply,
        "asked_with": exchange.asked_with,
        "finish": exchange.finish,
        "model": exchange.model,
        "seconds": round(exchange.seconds, 3),
        "usage": exchange.usage.as_dict(),
    }
