"""What an evaluation would cost: some of its people are walked for, and counted up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from unillmrec.evaluation.exam import Split
from unillmrec.evaluation.making import REFERENCE, Means, expected
from unillmrec.planning import Plan, PlanLine, Planner, plan_people, plan_sample
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.usage import Stage

SAMPLE = 40


def plan_evaluation(
    means: Means,
    split: Split,
    settings: Settings,
    chosen: Iterable[str] = (),
    *,
    at: int = 10,
    chains: int = 1,
) -> Plan:
    """Plan what the systems that ask a model will take for all people; nothing is sent.

    *means* holds a judge that is no model, and one that counts. *chains* is how often the chain
    walks for each person. What other systems ask stands under recall.
    """
    cases = split.exam.cases
    people = (Person(case.history) for case in cases[:: max(1, len(cases) // SAMPLE)])
    options = means.options.with_limit(at)
    count = chains * len(cases)
    plan = plan_people(means.tree, people, options, settings, count=count, sample=SAMPLE)
    planner = Planner.of(settings, means.tree.path)
    lines, notes = dict(plan.lines), list(plan.notes)
    for name, usages in expected(means, split, chosen, at).items():
        if name == REFERENCE or not usages:
            continue
        asked = [{Stage.RECALL: usage} for usage in usages]
        beside = plan_sample(planner, asked, len(cases), settings.concurrency)
        for stage, line in beside.lines.items():
            lines[stage] = lines.get(stage, PlanLine()) + line
            told = f"{line.calls.likely:,.0f} calls, about {line.tokens.likely:,.0f} tokens"
            notes.append(f"Under {stage}: {told} of {name}.")
    return replace(plan, lines=lines, notes=tuple(notes))
