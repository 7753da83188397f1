"""What an evaluation would cost: some of its people are walked for, and counted up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from unillmrec.evaluation.data.exam import Split
from unillmrec.evaluation.systems.registry import MADE_UP, REFERENCE, Means, expected
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.planning.planner import (
    Plan,
    PlanLine,
    Planner,
    plan_recommendations,
    scale_to_people,
)
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.store import ItemTree
from unillmrec.usage import Stage

SAMPLE = 40


def plan_evaluation(
    means: Means,
    split: Split,
    settings: Settings,
    chosen: Iterable[str] = (),
    *,
    at: int = 10,
    made_up: ItemTree | None = None,
) -> Plan:
    """Plan what the systems that ask a model will take for all people; nothing is sent.

    *means* holds a judge that is no model, and one that counts. *made_up* is the tree under false
    names, if the chain walks that as well. What other systems ask stands under recall.
    """
    cases = split.exam.cases
    people = [Person(case.history) for case in cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]]
    options = means.options.with_limit(at)
    plan = plan_recommendations(means.tree, people, options, settings, count=len(cases))
    planner = Planner.of(settings, means.tree.path)
    lines, notes = dict(plan.lines), list(plan.notes)
    if made_up is not None:
        judge = build_estimating_judge(made_up, settings, planner.profile_tokens)
        recommender = Recommender(made_up, judge)
        asked = [recommender.recommend_to(each, options).usage for each in people]
        beside = scale_to_people(planner, asked, len(cases), settings.concurrency)
        lines = {
            stage: lines.get(stage, PlanLine()) + beside.lines.get(stage, PlanLine())
            for stage in Stage
            if stage in lines or stage in beside.lines
        }
        notes.append(f"Of all stages: {_told(beside.total)} of {MADE_UP}.")
    for name, usages in expected(means, split, chosen, at).items():
        if name == REFERENCE or not usages:
            continue
        asked = [{Stage.RECALL: usage} for usage in usages]
        beside = scale_to_people(planner, asked, len(cases), settings.concurrency)
        for stage, line in beside.lines.items():
            lines[stage] = lines.get(stage, PlanLine()) + line
            notes.append(f"Under {stage}: {_told(line)} of {name}.")
    return replace(plan, lines=lines, notes=tuple(notes))


def _told(line: PlanLine) -> str:
    return f"{line.calls.likely:,.0f} calls, about {line.tokens.likely:,.0f} tokens"
