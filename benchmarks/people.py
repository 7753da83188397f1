"""The people of a data set, split as in an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.datasets import LEAST_RATING, DataSet, find, load_with_people
from unillmrec import read_catalog
from unillmrec.evaluation.data.cases import (
    EvaluationCase,
    EvaluationData,
    GroundTruth,
    ItemIndex,
    Split,
)
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.people.interactions import Interactions, read_interactions

# The sets whose people the benchmark evaluation asks about.
EXAMINED = ("ml-1m", "amazon-beauty")
PEOPLE = 1_000
SEED = 42


def shelf_of(data: Path, name: str) -> ItemIndex:
    """Return the items of a data set."""
    return ItemIndex(tuple(read_catalog(find(data, name, "items.jsonl"))))


def interactions_of(data: Path, name: str) -> Interactions:
    """Return the interactions of a data set."""
    return read_interactions(find(data, name, "interactions.csv"))


def last_out(met: Interactions, index: ItemIndex, name: str, people: int = PEOPLE) -> Split:
    """Hold out the last item of each person, under the set's own rule of what counts as liked."""
    return split(
        met, index, SplitProtocol(people=people, seed=SEED, least_rating=LEAST_RATING.get(name))
    )


def others(held_out: Split, met: Interactions, index: ItemIndex, name: str, count: int) -> Split:
    """Return people for tuning, disjoint from those evaluated, with their last two items held out.

    What is held out in the measurement is never visible: settings are chosen by the item before
    it.
    """
    everybody = last_out(met, index, name, people=0)
    used = len(held_out.data.cases)
    cases = everybody.data.cases[used : used + 3 * count]
    return shortened(everybody, cases, count)


def shortened(whole: Split, cases: tuple[EvaluationCase, ...], count: int) -> Split:
    """Hold out the last item of each history, from the training data too."""
    kept = [case for case in cases if len(case.history) > 2][:count]
    made = tuple(EvaluationCase(n, case.history[:-1], case.disliked) for n, case in enumerate(kept))
    truth = GroundTruth({n: [case.history[-1]] for n, case in enumerate(kept)})
    index = whole.data.index
    rows = {n: whole.rows[case.number] for n, case in enumerate(kept)}
    training = whole.data.training.without(
        (rows[n], index.positions[case.history[-1]]) for n, case in enumerate(kept)
    )
    return Split(EvaluationData(index, training, made), truth, {"people": len(made)}, rows)


def not_examined(data: Path, name: str, count: int) -> DataSet:
    """Return a set with people whom no evaluation asks about; defaults are chosen with these."""
    if name not in EXAMINED:
        return load_with_people(data, name, count)
    index = shelf_of(data, name)
    held_out = last_out(interactions_of(data, name), index, name, PEOPLE)
    asked = {(*case.history, *held_out.truth.items_of(case.number)) for case in held_out.data.cases}
    found = load_with_people(data, name, count + len(asked))
    ids = [item.id for item in found.items]
    others = [
        each
        for each in found.people
        if tuple(ids[place] for place in (*each.history, each.target)) not in asked
    ]
    return replace(found, people=others[:count])
