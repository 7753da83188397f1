"""The line from start to end: profile, recall, rank, rerank."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unillmrec.errors import PersonError
from unillmrec.items import Item, one_line
from unillmrec.judge import (
    Dropped,
    Exchange,
    Judge,
    Profile,
    Question,
    SimilarityJudge,
    Verdict,
)
from unillmrec.reasons import reasons_for
from unillmrec.stages import Candidate, Event, Options, Person, Run
from unillmrec.stages import profile as profile_stage
from unillmrec.stages import rank as rank_stage
from unillmrec.stages import recall as recall_stage
from unillmrec.stages import rerank as rerank_stage
from unillmrec.stages.run import Found
from unillmrec.store import ROOT, ItemTree, PlacedItem
from unillmrec.usage import Stage, Usage

if TYPE_CHECKING:
    from unillmrec.store.selection import Selection

ProfileStage = Callable[[Run, Person, Sequence[PlacedItem]], Profile]
RecallStage = Callable[[Run, Profile], list[Candidate]]
RankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
RerankStage = Callable[[Run, Profile, Sequence[Candidate]], list[Candidate]]
Trace = Callable[[dict[str, Any]], None]
OnCall = Callable[[Stage, Exchange], None]


@dataclass(frozen=True, slots=True)
class RecommendedItem:
    """An item of the list, why it is there, and how recall found it."""

    item: Item
    place: int
    score: float
    reason: str
    branch: str
    found: Found

    def as_dict(self) -> dict[str, Any]:
        """Return the item as the JSON output gives it."""
        return {
            "place": self.place,
            "id": self.item.id,
            "title": self.item.title,
            "score": round(self.score, 2),
            "reason": self.reason,
            "branch": self.branch,
            "found": self.found,
        }


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Items in order, why, and at what cost.

    *eligible* is how many items might have been recommended, *where* the predicate that said
    so; *unknown* are ids to exclude that the tree does not have. *note* says why there are no
    items, if there are none.
    """

    items: tuple[RecommendedItem, ...]
    profile: Profile
    judge: str
    usage: dict[Stage, Usage]
    dropped: Dropped
    opened: tuple[Event, ...] = field(repr=False)
    candidates: tuple[str, ...] = field(repr=False)
    excluded: int = 0
    eligible: int = 0
    unknown: tuple[str, ...] = ()
    where: str | None = None
    note: str = ""
    seconds: float = 0.0

    @property
    def stale(self) -> int:
        """How many of the opened nodes stood there with a summary that is out of date."""
        return sum(event.opened.is_stale() for event in self.opened)

    def total_usage(self) -> Usage:
        """Return the sum over all stages."""
        return sum(self.usage.values(), Usage())

    def as_dict(self) -> dict[str, Any]:
        """Return everything as the JSON output gives it."""
        return {
            "items": [each.as_dict() for each in self.items],
            "profile": [
                {"interest": each.text, "weight": round(each.weight, 4)}
                for each in self.profile.interests
            ],
            "judge": self.judge,
            "usage": {
                **{str(stage): usage.as_dict() for stage, usage in self.usage.items()},
                "total": self.total_usage().as_dict(),
            },
            "dropped": self.dropped.as_dict(),
            "walk": {
                "branches": sum(not event.opened.is_leaf for event in self.opened),
                "leaves": sum(event.opened.is_leaf for event in self.opened),
                "stale": self.stale,
                "candidates": len(self.candidates),
                "excluded": self.excluded,
                "unknown": len(self.unknown),
                "eligible": self.eligible,
                "where": self.where,
            },
            "seconds": round(self.seconds, 3),
        }


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
        watch: Callable[[Event], None] | None = None,
        trace: Trace | None = None,
        on_call: OnCall | None = None,
    ) -> Recommendation:
        """Recommend to the person with this *history* (ids, oldest first), or who says so.

        *limit* stands in for `options.limit`. *where* is a predicate over attributes, such as
        `price < 20 and in_stock`; only items for which it holds are looked at, and none of
        those to *exclude*. What `select` returns serves many people. *watch* is told of each
        opened node, *trace* of each question and answer, *on_call* of each call to an endpoint.

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
            watch=watch,
            trace=trace,
            on_call=on_call,
        )

    def select(self, where: str) -> Selection:
        """Find the items for which a predicate holds.

        Raises:
            PredicateError: it cannot be read, or does not fit the attributes of the tree.
        """
        from unillmrec.store.selection import Selection

        return Selection.of(self.tree, where)

    def recommend_to(
        self,
        person: Person,
        options: Options,
        *,
        where: Selection | str | None = None,
        exclude: Iterable[str] = (),
        watch: Callable[[Event], None] | None = None,
        trace: Trace | None = None,
        on_call: OnCall | None = None,
    ) -> Recommendation:
        """Recommend to *person*."""
        started = time.perf_counter()
        history = find_history(self.tree, person.history)
        selection = self.select(where) if isinstance(where, str) else where
        with _executor(self.judge) as executor:
            run = Run(self.tree, self.judge, options, selection, executor)
            run.watch = watch or run.watch
            run.on_call = on_call or run.on_call
            run.trace = partial(_write_trace, trace) if trace else run.trace
            run.exclude(history)
            unknown = _exclude(run, exclude)
            made = self._recommendation(run, person, history)
        return replace(made, unknown=unknown, seconds=time.perf_counter() - started)

    def _recommendation(
        self, run: Run, person: Person, history: Sequence[PlacedItem]
    ) -> Recommendation:
        """Go through the stages; where nothing is eligible, through none of them."""
        eligible = run.eligible(self.tree.node(ROOT))
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
            note="" if eligible else _nothing_eligible(run),
        )


def _told_judge(run: Run) -> str:
    """Name the judge, and who had to answer in its place."""
    answers = f"{run.answers:,} answer{'' if run.answers == 1 else 's'}"
    # What a name says in parentheses is for where it stands alone.
    others = [
        f"{name.partition(' (')[0]} for {count:,} of {answers}"
        for name, count in run.stand_ins.items()
    ]
    return "; ".join([run.judge.name, *others])


def _exclude(run: Run, ids: Iterable[str]) -> tuple[str, ...]:
    """Keep items out; return the ids that the tree does not have."""
    wanted = list(dict.fromkeys(ids))
    places = run.tree.places_of(wanted)
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
    found = tree.items_with_ids(ids)
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


@contextmanager
def _executor(judge: Judge) -> Iterator[ThreadPoolExecutor | None]:
    """Give threads for the judge's questions; a walk that breaks off does not wait for them."""
    if judge.at_once < 2:
        yield None
        return
    executor = ThreadPoolExecutor(judge.at_once, thread_name_prefix="unillmrec")
    finished = False
    try:
        yield executor
        finished = True
    finally:
        executor.shutdown(wait=finished, cancel_futures=True)


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
    for exchange in answer.exchanges or (None,):
        write(asked | (_told_exchange(exchange) if exchange else {}))


def _told_exchange(exchange: Exchange) -> dict[str, Any]:
    error = {"error": exchange.error} if exchange.error else {}
    return {
        **error,
        "messages": [{"role": role, "content": content} for role, content in exchange.messages],
        "reply": exchange.reply,
        "asked_with": exchange.asked_with,
        "finish": exchange.finish,
        "model": exchange.model,
        "seconds": round(exchange.seconds, 3),
        "usage": exchange.usage.as_dict(),
    }
