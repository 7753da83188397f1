"""Recommend items: run the profile, recall, rank and rerank stages in order."""

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
from unillmrec.stages import Candidate, Options, Person, Run, WalkStep, start_run
from unillmrec.stages import profile as profile_stage
from unillmrec.stages import rank as rank_stage
from unillmrec.stages import recall as recall_stage
from unillmrec.stages import rerank as rerank_stage
from unillmrec.store import ItemTree, PlacedItem

if TYPE_CHECKING:
    from unillmrec.stages.asker import Asker, OnCall
    from unillmrec.store.columns.selection import Selection
    from unillmrec.usage import Stage

ProfileStage = Callable[[Run, Person, Sequence[PlacedItem]], Profile]
RecallStage = Callable[[Run, Profile], list[Candidate]]
RankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
RerankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
Trace = Callable[[dict[str, Any]], None]


class Recommender:
    """Recommends items of one tree.

    Without a *judge*, the embedded similarity judge answers. Every stage is a function and can be
    replaced by another one with the same signature::

        with ItemTree.open("films.tree") as tree:
            judge = LanguageModelJudge.of_model("gpt-4o-mini", tree)
            recommendation = Recommender(tree, judge).recommend(["tt0111161"], limit=10)
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
        """Recommend items to a person with a *history* of item ids, oldest first.

        *like* is a wish in words, *profile* a finished profile; either may replace the history or
        add to it. *limit* overrides `options.limit`. *where* is a predicate over attributes, such
        as `price < 20 and in_stock`, or a selection that `select` returned and that serves many
        people. Only matching items are recommended, and none of those in *exclude*.
        With a *budget* there is always a list: if the budget runs out, a call fails, or the user
        interrupts, the embedded judge completes it, and the result is *partial*. Several calls may
        share one `BudgetTracker`.
        *watch* is called for each opened node, *trace* for each question and its answer, *on_call*
        for each call to an endpoint.

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
        """Return the items that match a predicate.

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
            run = start_run(
                self.tree,
                self.judge,
                options,
                selection,
                executor=threads.executor,
                tracker=tracker,
                person=person.label,
            )
            run.on_step = watch or run.on_step
            run.asker.on_call = on_call or run.asker.on_call
            run.asker.on_trace = partial(_write_trace, trace) if trace else run.asker.on_trace
            run.exclude(history)
            unknown = _exclude(run, exclude)
            recommendation = self._run_stages(run, person, history)
            threads.waits = run.asker.stop_reason != "interrupted"
        return replace(recommendation, unknown=unknown, seconds=time.perf_counter() - started)

    def _run_stages(
        self, run: Run, person: Person, history: Sequence[PlacedItem]
    ) -> Recommendation:
        """Run all stages, or none of them if no item is eligible."""
        asker = run.asker
        eligible = run.eligible(run.root)
        profile = self._profile(run, person, history) if eligible else Profile(())
        candidates = self._recall(run, profile) if eligible else []
        ranked = self._rank(run, profile, candidates) if eligible else []
        listed = self._rerank(run, profile, ranked) if eligible else []
        return Recommendation(
            items=_recommended_items(run, profile, history, listed),
            profile=profile,
            judge=_judge_names(asker),
            usage=asker.counts.bill.by_stage(),
            dropped=asker.counts.dropped,
            opened=tuple(run.steps),
            candidates=tuple(each.placed.item.id for each in candidates),
            excluded=len(run.eligibility.excluded),
            eligible=eligible,
            where=run.selection.predicate.text if run.selection else None,
            walk=run.walk,
            ended=run.ended,
            waits=dict(asker.counts.waits),
            partial=asker.stop_reason or run.cut,
            overrun=asker.tracker.overrun if asker.tracker else 0,
            note=asker.failure if eligible else _nothing_eligible(run),
        )


def _judge_names(asker: Asker) -> str:
    """Return the name of the judge, and of the fallback judges that answered for it."""
    counts = asker.counts
    answers = f"{counts.answers:,} answer{'' if counts.answers == 1 else 's'}"
    # The part of a name in parentheses is left out: it explains a judge that stands alone.
    others = [
        f"{name.partition(' (')[0]} for {count:,} of {answers}"
        for name, count in counts.fallback_answers.items()
    ]
    return "; ".join([asker.judge.name, *others])


def _exclude(run: Run, ids: Iterable[str]) -> tuple[str, ...]:
    """Exclude items by id; return the ids that are not in the tree."""
    wanted = list(dict.fromkeys(ids))
    places = run.tree.locate(wanted)
    run.eligibility.exclude(places.values())
    return tuple(item_id for item_id in wanted if item_id not in places)


def _nothing_eligible(run: Run) -> str:
    """Explain why no item can be recommended."""
    if run.selection is None:
        return f"No item is left: all {len(run.tree):,} are in the history or excluded."
    where, matching = one_line(run.selection.predicate.text, 120), run.selection.total
    if not matching:
        return f"No item is left: none of {len(run.tree):,} fits {where}."
    return f"No item is left: all {matching:,} that fit {where} are in the history or excluded."


def find_history(tree: ItemTree, ids: Sequence[str]) -> list[PlacedItem]:
    """Return the items of a history in order; a repeated item counts at its last position.

    Raises:
        PersonError: an id is not in the tree.
    """
    items = tree.items_by_id(ids)
    missing = [item_id for item_id in dict.fromkeys(ids) if item_id not in items]
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
    return [items[item_id] for item_id in reversed(last_places)]


@dataclass(slots=True)
class _Threads:
    """The threads that ask questions; *waits* is whether to wait for running ones at the end."""

    executor: ThreadPoolExecutor | None
    waits: bool = False


@contextmanager
def _executor(judge: Judge) -> Iterator[_Threads]:
    """Yield threads to ask the judge in parallel; after an error they are not waited for."""
    # Without network calls, threads gain nothing, and each of them would open the tree again.
    if judge.at_once < 2 or isinstance(judge, WidthLimitedJudge):
        yield _Threads(None)
        return
    executor = ThreadPoolExecutor(judge.at_once, thread_name_prefix="unillmrec")
    threads = _Threads(executor)
    try:
        yield threads
    finally:
        executor.shutdown(wait=threads.waits, cancel_futures=True)


def _recommended_items(
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
    """Write one trace line for each call of an answer, or a single line if it took no calls.

    A call without a verdict belongs to a history question or to a question that failed.
    """
    line: dict[str, Any] = {"stage": str(stage), "kind": question.kind if question else "profile"}
    if question:
        choices = [f"{choice.number}. {choice.line}" for choice in question.choices]
        line |= {"where": question.where, "choices": choices}
    if isinstance(answer, Exchange):
        write(line | answer.as_dict())
        return
    line |= {
        "scores": [[number, round(score, 2)] for number, score in answer.scores],
        "dropped": answer.dropped.as_dict(),
    }
    if answer.shares:
        line["shares"] = [[number, round(share, 6)] for number, share in answer.shares]
    for exchange in answer.exchanges or (None,):
        write(line | (exchange.as_dict() if exchange else {}))
