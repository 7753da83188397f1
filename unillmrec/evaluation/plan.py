"""Estimate the cost of an evaluation from a sample of its people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from unillmrec.evaluation.data.cases import Split
from unillmrec.evaluation.systems.registry import (
    PSEUDONYMISED,
    REFERENCE,
    SystemContext,
    estimate_usages,
)
from unillmrec.judge.registry import build_estimating_judge
from unillmrec.planning.plan import Plan, PlanLine
from unillmrec.planning.planner import Planner, extrapolate_plan, plan_recommendations
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.store import ItemTree
from unillmrec.usage import Stage, Usage

SAMPLE = 40


def plan_evaluation(
    context: SystemContext,
    split: Split,
    settings: Settings,
    chosen: Iterable[str] = (),
    *,
    at: int = 10,
    pseudonymised: ItemTree | None = None,
) -> Plan:
    """Estimate the cost of the systems that ask a model, for all people; nothing is sent.

    *context* must be one without a model. *pseudonymised* is the tree with made-up titles, if it
    is walked as well. The calls of the baselines are listed under recall.
    """
    cases = split.data.cases
    people = [Person(case.history) for case in cases[:: max(1, len(cases) // SAMPLE)][:SAMPLE]]
    options = context.options.with_limit(at)
    plan = plan_recommendations(context.tree, people, options, settings, count=len(cases))
    planner = Planner.from_settings(settings, context.tree.path)
    lines, notes = dict(plan.lines), list(plan.notes)

    def add(bills: Sequence[Mapping[Stage, Usage]]) -> Plan:
        extra = extrapolate_plan(planner, bills, len(cases), settings.concurrency)
        for stage, line in extra.lines.items():
            lines[stage] = lines.get(stage, PlanLine()) + line
        return extra

    if pseudonymised is not None:
        judge = build_estimating_judge(pseudonymised, settings, planner.profile_tokens)
        recommender = Recommender(pseudonymised, judge)
        extra = add([recommender.recommend_to(each, options).usage for each in people])
        notes.append(f"Of all stages: {_format_line(extra.total)} of {PSEUDONYMISED}.")
    for name, usages in estimate_usages(context, split, chosen, at).items():
        if name != REFERENCE and usages:
            extra = add([{Stage.RECALL: usage} for usage in usages])
            notes.append(f"Under {Stage.RECALL}: {_format_line(extra.total)} of {name}.")
    in_order = {stage: lines[stage] for stage in Stage if stage in lines}
    return replace(plan, lines=in_order, notes=tuple(notes))


def _format_line(line: PlanLine) -> str:
    return f"{line.calls.likely:,.0f} calls, about {line.tokens.likely:,.0f} tokens"
