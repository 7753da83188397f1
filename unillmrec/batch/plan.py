"""Estimate the cost of a batch from a sample of its people."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from unillmrec.batch.options import BatchOptions
from unillmrec.budget import Budget
from unillmrec.errors import PersonError
from unillmrec.judge.voting import Votes
from unillmrec.people.people_file import PeopleFile, PersonRow
from unillmrec.planning.plan import Plan
from unillmrec.planning.planner import plan_recommendations
from unillmrec.recommending.recommender import Recommender
from unillmrec.settings import Settings
from unillmrec.stages import Person
from unillmrec.store import ItemTree

SAMPLE = 40
SEED = 0


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """The plan of a batch, from a *sample* of its *people*, of which *usable* can be used."""

    people: int
    sample: int
    usable: int
    plan: Plan


def plan_batch(
    tree: ItemTree,
    settings: Settings,
    people: PeopleFile,
    options: BatchOptions,
    votes: Votes = 1,
) -> BatchPlan:
    """Walk the tree for a seeded sample of the people, counting prompts instead of sending them.

    Raises:
        PersonError: there are no people, or they cannot be read.
    """
    sample, count = _sample(people)
    if not sample:
        raise PersonError(f"{people.path} contains no people.")
    known = (_known_part(tree, each.person) for each in sample if each.person is not None)
    usable = [person for person in known if person is not None]
    where = Recommender(tree).select(options.where) if options.where else None
    plan = plan_recommendations(
        tree,
        usable,
        options.recommend,
        settings,
        count=round(count * len(usable) / len(sample)),
        votes=votes,
        where=where,
        exclude=options.exclude,
    )
    notes = (*plan.notes, *_budget_warnings(plan, options.budget, count))
    return BatchPlan(count, len(sample), len(usable), replace(plan, notes=notes))


def _sample(people: PeopleFile) -> tuple[list[PersonRow], int]:
    """Return a uniform sample of the rows, and their number, reading the file once."""
    chance = random.Random(SEED)
    sample: list[PersonRow] = []
    count = 0
    for count, row in enumerate(people.rows(), start=1):
        if count <= SAMPLE:
            sample.append(row)
        elif (position := chance.randrange(count)) < SAMPLE:
            sample[position] = row
    return sample, count


def _known_part(tree: ItemTree, person: Person) -> Person | None:
    """Return the person without items that are not in the tree; None if nothing is left."""
    known = tree.locate(dict.fromkeys(person.history))
    history = tuple(each for each in person.history if each in known)
    if not (history or person.like or person.profile):
        return None
    return Person(history, person.like, person.profile)


def _budget_warnings(plan: Plan, budget: Budget, people: int) -> Iterator[str]:
    """Warn of limits that may end the batch early, with the number of people done by then."""
    total = plan.total
    limits = (
        ("tokens", budget.tokens, total.tokens),
        ("calls", budget.calls, total.calls),
        ("cost", budget.cost, total.cost),
        ("deadline", budget.seconds, total.seconds),
    )
    for name, most, span in limits:
        if most is not None and span is not None and span.high > most:
            done = round(people * min(1.0, most / span.likely)) if span.likely else people
            yield f"The budget of {name} may be spent after about {done:,} of {people:,} people."
