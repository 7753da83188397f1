"""The people of a data set, split as in an evaluation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.datasets import LEAST_RATING, DataSet, find, load_with_people
from unillmrec import read_catalog
from unillmrec.evaluation.data.exam import Case, Exam, ItemIndex, Split, Truth
from unillmrec.evaluation.data.split import Protocol, split
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


def last_out(met: Interactions, shelf: ItemIndex, name: str, people: int = PEOPLE) -> Split:
    """Hold out the last item of each person, under the set's own rule of what counts as liked."""
    return split(
        met, shelf, Protocol(people=people, seed=SEED, least_rating=LEAST_RATING.get(name))
    )


def others(parted: Split, met: Interactions, shelf: ItemIndex, name: str, count: int) -> Split:
    """Return people for tuning, disjoint from those evaluated, with their last two items held out.

    What is held out in the measurement is never visible: settings are chosen by the item before
    it.
    """
    everybody = last_out(met, shelf, name, people=0)
    used = len(parted.exam.cases)
    cases = everybody.exam.cases[used : used + 3 * count]
    return shortened(everybody, cases, count)


def shortened(whole: Split, cases: tuple[Case, ...], count: int) -> Split:
    """Hold out the last item of each history, from the training data too."""
    kept = [case for case in cases if len(case.history) > 2][:count]
    made = tuple(Case(n, case.history[:-1], case.disliked) for n, case in enumerate(kept))
    truth = Truth({n: [case.history[-1]] for n, case in enumerate(kept)})
    shelf = whole.exam.shelf
    rows = {n: whole.rows[case.number] for n, case in enumerate(kept)}
    known = whole.exam.known.without(
        (rows[n], shelf.places[case.history[-1]]) for n, case in enumerate(kept)
    )
    return Split(Exam(shelf, known, made), truth, {"people": len(made)}, rows)


def not_examined(data: Path, name: str, count: int) -> DataSet:
    """Return a set with people whom no evaluation asks about; defaults are chosen with these."""
    if name not in EXAMINED:
        return load_with_people(data, name, count)
    shelf = shelf_of(data, name)
    exam = last_out(interactions_of(data, name), shelf, name, PEOPLE)
    asked = {(*case.history, *exam.truth.of(case.number)) for case in exam.exam.cases}
    found = load_with_people(data, name, count + len(asked))
    ids = [item.id for item in found.items]
    others = [
        each
        for each in found.people
        if tuple(ids[place] for place in (*each.history, each.target)) not in asked
    ]
    return replace(found, people=others[:count])
