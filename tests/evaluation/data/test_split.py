"""Splits of interactions into what systems see and what is held out."""

import numpy as np
import pytest

from tests.evaluation.scripted import index, interactions, rows_of
from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.split import SplitProtocol, split
from unillmrec.people.interactions import Interactions

DAY = 86_400


def everything(met, protocol):
    held_out = split(met, index(), protocol)
    pairs = [
        (case.history, sorted(held_out.truth.items_of(case.number))) for case in held_out.data.cases
    ]
    return held_out, pairs


def test_the_last_item_is_held_out():
    """All others are in the history."""
    met = rows_of(*(("anna", f"item-{n:03}", n) for n in (4, 2, 9)))
    _, pairs = everything(met, SplitProtocol())

    assert [(("item-002", "item-004"), ["item-009"])] == pairs


def test_a_split_by_time_holds_out_everything_after_the_cutoff():
    """Later interactions are not in the training data either."""
    rows = [("anna", f"item-{n:03}", n * DAY) for n in range(1, 5)]
    rows += [("ben", "item-050", 9 * DAY), ("ben", "item-051", 1 * DAY)]
    held_out, pairs = everything(rows_of(*rows), SplitProtocol(split="time", cutoff=3.0 * DAY))

    assert [(("item-001", "item-002"), ["item-003", "item-004"])] == pairs
    assert {1, 2, 51} == set(held_out.data.training.item.tolist())


def test_a_split_by_time_leaves_nine_tenths_before_the_cutoff():
    """This is the default without a date."""
    met = interactions()
    held_out = split(met, index(), SplitProtocol(split="time", people=0))

    assert np.quantile(met.time, 0.9) == held_out.facts["cutoff"]


def test_a_split_by_time_needs_times():
    """Positions in a sequence are not times."""
    met = rows_of(*(("anna", f"item-{n:03}", n) for n in range(5)))

    with pytest.raises(EvaluationError, match="needs a time for every interaction"):
        split(met, index(), SplitProtocol(split="time"))


def test_positions_are_not_times_when_low_ratings_are_removed():
    """The gaps must not make them look like times."""
    met = rows_of(*(("anna", f"item-{n:03}", n, 1 if n == 2 else 5) for n in range(6)))

    with pytest.raises(EvaluationError, match="needs a time for every interaction"):
        split(met, index(), SplitProtocol(split="time", least_rating=4))


def test_low_ratings_are_neither_in_a_history_nor_held_out():
    """They are not liked."""
    met = rows_of(*(("anna", f"item-{n:03}", n, 5 - n % 2) for n in range(6)))
    _, pairs = everything(met, SplitProtocol(least_rating=5))

    assert [(("item-000", "item-002"), ["item-004"])] == pairs


@pytest.mark.parametrize("kind", ["last", "time"])
def test_items_rated_low_count_as_seen(kind):
    """Those before the held-out items; an item liked later is liked."""
    rows = [("anna", f"item-{n:03}", n * DAY, 5) for n in (1, 3, 6)]
    rows += [("anna", f"item-{n:03}", day * DAY, 1) for n, day in ((2, 2), (3, 1), (6, 4), (7, 8))]
    protocol = SplitProtocol(kind, least_rating=4, cutoff=6.0 * DAY if kind == "time" else None)
    held_out, pairs = everything(rows_of(*rows), protocol)

    assert [(("item-001", "item-003"), ["item-006"])] == pairs
    assert ("item-002",) == held_out.data.cases[0].disliked
    assert {1, 3} == set(held_out.data.training.item.tolist())


def test_a_least_rating_needs_ratings():
    """Otherwise nobody would be left, without an explanation."""
    met = rows_of(*(("anna", f"item-{n:03}", n) for n in range(6)))

    with pytest.raises(EvaluationError, match="there are no ratings"):
        split(met, index(), SplitProtocol(least_rating=4))


def test_the_sample_does_not_depend_on_the_order_of_the_file():
    """The same people are sampled from reordered rows."""
    met = interactions()
    reversed_branches = Interactions(
        met.people, met.items, *(c[::-1] for c in (met.person, met.item, met.time, met.rating))
    )
    protocol = SplitProtocol(people=10)

    assert everything(met, protocol)[1] == everything(reversed_branches, protocol)[1]
    assert everything(met, protocol)[1] != everything(met, SplitProtocol(people=10, seed=1))[1]


def test_ties_are_counted():
    """They are people whose last item depends on the order of the file."""
    same = [("anna", f"item-{n:03}", 7) for n in range(4)]
    clear = [("ben", f"item-{n:03}", n) for n in range(4)]

    assert 1 == split(rows_of(*same, *clear), index(), SplitProtocol()).facts["ties"]


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([("anna", "x", 1)], "none of the 1 interactions is with an item of the catalog"),
        ([("anna", "item-001", 1)], "nobody is left to evaluate: 1 people, 1 interactions"),
    ],
)
def test_an_empty_evaluation_is_an_error(rows, problem):
    """The message says what is wrong with the histories."""
    with pytest.raises(EvaluationError, match=problem):
        split(rows_of(*rows), index(), SplitProtocol())


def test_nothing_is_held_out_of_people_who_are_not_eligible():
    """Those with too few items are training data only, under "last"."""
    rows = [("anna", f"item-{n:03}", n * DAY) for n in (1, 2, 3)]
    rows += [("ben", "item-004", DAY), ("cleo", "item-005", DAY), ("cleo", "item-006", 2 * DAY)]
    held_out, pairs = everything(rows_of(*rows), SplitProtocol())

    assert [(("item-001", "item-002"), ["item-003"])] == pairs
    assert {1, 2, 4, 5, 6} == set(held_out.data.training.item.tolist())
    assert 5 == held_out.facts["learnt_from"]
