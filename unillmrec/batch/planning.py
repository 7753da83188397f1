"""What a batch would cost: a sample of the people is walked for, and counted up."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

from unillmrec.batch.people import Entry, PeopleFile
from unillmrec.batch.running import BatchOptions
from unillmrec.errors import PersonError
from unillmrec.judge import Judge
from unillmrec.recommender import Recommender
from unillmrec.stages import Person
from unillmrec.store import ItemTree
from unillmrec.usage import Usage

SAMPLE = 40
SEED = 0
# Of a normal distribution, what lies within so many deviations of the mean is 95 %.
_DEVIATIONS = 1.96


@dataclass(frozen=True, slots=True)
class Range:
    """A number that is only known about: with 95 % between *low* and *high*."""

    low: int
    likely: int
    high: int


@dataclass(frozen=True, slots=True)
class BatchPlan:
    """What a batch would take, judged by a *sample* of its *people*; *usable* are those of it."""

    people: int
    sample: int
    usable: int
    calls: Range
    prompt: Range
    completion: Range


def plan_batch(
    tree: ItemTree, judge: Judge, people: PeopleFile, options: BatchOptions
) -> BatchPlan:
    """Walk for a seeded sample of the people with a judge that estimates; send nothing.

    Raises:
        PersonError: there is nobody, or the people cannot be read.
    """
    sample, count = _sample(people)
    if not sample:
        raise PersonError(f"{people.path} holds no people.")
    recommender = Recommender(tree, judge)
    selection = recommender.select(options.where) if options.where else None
    usages = []
    usable = 0
    for entry in sample:
        usage = Usage()
        if entry.person is not None and (person := _known(tree, entry.person)):
            made = recommender.recommend_to(
                person, options.recommend, where=selection, exclude=options.exclude
            )
            usage = made.total_usage()
            usable += 1
        usages.append(usage)
    return BatchPlan(
        count,
        len(sample),
        usable,
        _scaled([each.calls for each in usages], count),
        _scaled([each.estimated_prompt for each in usages], count),
        _scaled([each.estimated_completion for each in usages], count),
    )


def _sample(people: PeopleFile) -> tuple[list[Entry], int]:
    """Return as good a sample as one reading gives, and how many there are."""
    chance = random.Random(SEED)
    sample: list[Entry] = []
    count = 0
    for count, entry in enumerate(people.entries(), start=1):
        if count <= SAMPLE:
            sample.append(entry)
        elif (place := chance.randrange(count)) < SAMPLE:
            sample[place] = entry
    return sample, count


def _known(tree: ItemTree, person: Person) -> Person | None:
    known = tree.places_of(dict.fromkeys(person.history))
    history = tuple(each for each in person.history if each in known)
    if not (history or person.like or person.profile):
        return None
    return Person(history, person.like, person.profile)


def _scaled(values: list[int], count: int) -> Range:
    """Return the sum over *count* people, from the values of some of them."""
    mean = sum(values) / len(values)
    if len(values) < 2 or len(values) == count:
        return Range(round(mean * count), round(mean * count), round(mean * count))
    variance = sum((each - mean) ** 2 for each in values) / (len(values) - 1)
    # Of those in the sample nothing is left to chance.
    around = _DEVIATIONS * math.sqrt(variance / len(values) * (1 - len(values) / count))
    low, high = max(0.0, mean - around), mean + around
    return Range(round(low * count), round(mean * count), round(high * count))
