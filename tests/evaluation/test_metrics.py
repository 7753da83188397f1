"""Metrics of lists, compared with other libraries and with computations by hand."""

import math
import random

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from tests.evaluation.scripted import Scripted
from unillmrec.evaluation.metrics import Scorer, accuracy
from unillmrec.evaluation.systems.contract import RankedList

ITEMS = 40


def random_lists(seed, people=60, at=10):
    """Return lists with gaps, and between one and fifteen targets for each."""
    chance = random.Random(seed)
    lists = [chance.sample(range(ITEMS), at) for _ in range(people)]
    lists = [[-1 if chance.random() < 0.15 else place for place in each] for each in lists]
    wanted = [chance.sample(range(ITEMS), chance.randint(1, 15)) for _ in range(people)]
    return np.array(lists), wanted


def by_hand(listed, wanted, at):
    """Return recall, ndcg, mrr and hit, from their definitions."""
    hits = [place in wanted for place in listed[:at]]
    gains = sum(hit / math.log2(rank + 1) for rank, hit in enumerate(hits, 1))
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(at, len(wanted)) + 1))
    first = next((1 / rank for rank, hit in enumerate(hits, 1) if hit), 0.0)
    return sum(hits) / len(wanted), gains / ideal, first, float(any(hits))


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_agrees_with_the_definitions(seed):
    """To nine digits, for lists with gaps and several targets."""
    lists, wanted = random_lists(seed)
    expected = [by_hand(*pair, 10) for pair in zip(lists.tolist(), wanted, strict=True)]

    np.testing.assert_allclose(accuracy(lists, wanted, 10), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_agrees_with_scikit_learn(seed):
    """scikit-learn scores all items; here, those in the list by their rank."""
    lists, wanted = random_lists(seed)
    truth = np.zeros((len(lists), ITEMS + 10))
    scores = np.zeros((len(lists), ITEMS + 10))
    for row, (listed, each) in enumerate(zip(lists.tolist(), wanted, strict=True)):
        truth[row, each] = 1
        # A gap is an item that is no target.
        columns = [place if place >= 0 else ITEMS + rank for rank, place in enumerate(listed)]
        scores[row, columns] = range(20, 10, -1)
    expected = [ndcg_score(t[None], s[None], k=10) for t, s in zip(truth, scores, strict=True)]

    np.testing.assert_allclose(accuracy(lists, wanted, 10)[:, 1], expected, rtol=0, atol=1e-9)


def test_with_one_target_recall_equals_hit():
    """ndcg is one over the logarithm of its rank."""
    found = accuracy(np.array([[3, 7, 5]]), [[7]], 3)

    np.testing.assert_allclose([[1, 1 / math.log2(3), 0.5, 1]], found, atol=1e-12)


def scored(held_out, answer, at=5):
    scorer = Scorer(held_out, at)
    system = Scripted(answer)
    found = scorer.score([system.answer(case, at) for case in held_out.data.cases])
    return found, scorer.estimates(found)


def test_invalid_entries_are_misses_at_their_rank(held_out):
    """Items behind seen, repeated and unknown items do not move up."""
    data, truth = held_out.data, held_out.truth

    def answer(case, limit):
        (target,) = truth.items_of(case.number)
        other = next(i.id for i in data.index.items if i.id not in {target, *case.history})
        return [case.history[0], "nowhere", other, other, target]

    found, _ = scored(held_out, answer)
    people = len(data.cases)

    assert (people, people, people, 0) == tuple(found.invalid.as_dict().values())
    np.testing.assert_allclose(found.accuracy[:, 2], 0.2)


def test_missing_entries_are_counted(held_out):
    """They are misses as well."""
    found, _ = scored(held_out, lambda case, limit: [])

    assert 5 * len(held_out.data.cases) == found.invalid.missing
    assert 0 == found.accuracy.sum()


def test_coverage_distance_novelty_and_popularity_by_hand(held_out):
    """Computed for lists that are the same for everybody."""
    counts = held_out.data.training.counts
    everybody = {item for case in held_out.data.cases for item in case.history}
    listed = [i.id for i in held_out.data.index.items if i.id not in everybody][:2]
    positions = [held_out.data.index.positions[each] for each in listed]
    _, found = scored(held_out, lambda case, limit: listed, at=2)

    assert pytest.approx(2 / 300) == found["coverage@2"].value
    share = (counts[positions] + 1) / (held_out.data.training.people + 1)
    assert pytest.approx(float(-np.log2(share).mean())) == found["novelty"].value
    history = np.mean(
        [
            counts[[held_out.data.index.positions[i] for i in c.history]].mean()
            for c in held_out.data.cases
        ]
    )
    expected = counts[positions].mean() / history - 1
    assert pytest.approx(float(expected)) == found["popularity lift"].value
    assert 0 < found["intra-list distance"].value < 1


def test_distance_is_one_minus_the_mean_cosine(held_out):
    """The mean is over all pairs of a list."""
    scorer = Scorer(held_out, 4)
    lists = np.array([[0, 6, 1, 2]] * len(held_out.data.cases))
    rows = scorer._rows[[0, 6, 1, 2]].toarray()
    cosines = rows @ rows.T
    expected = 1 - (cosines.sum() - 4) / 12

    np.testing.assert_allclose(scorer._distance(lists), expected, atol=1e-6)


def test_empty_lists_are_left_out_of_the_diversity_means(held_out):
    """If all lists are empty, the values are unknown."""
    unseen = [item.id for item in held_out.data.index.items[-2:]]
    similarities = ("intra-list distance", "novelty", "popularity lift")
    _, full = scored(held_out, lambda case, limit: unseen)
    _, half = scored(held_out, lambda case, limit: unseen if case.number % 2 else [])
    _, alone = scored(held_out, lambda case, limit: unseen[:1])
    _, none = scored(held_out, lambda case, limit: [])

    for name in similarities[:2]:
        assert pytest.approx(full[name].value) == half[name].value
        assert full[name].value > 0
    # Only the histories of people with items in their list count.
    histories = [
        np.mean(
            [
                held_out.data.training.counts[held_out.data.index.positions[each]]
                for each in case.history
            ]
        )
        for case in held_out.data.cases
    ]
    ratio = (1 + full["popularity lift"].value) / (1 + half["popularity lift"].value)
    assert pytest.approx(np.mean(histories[1::2]) / np.mean(histories)) == ratio
    assert alone["intra-list distance"].value is None
    assert alone["novelty"].value is not None
    assert [None] * 3 == [none[name].value for name in similarities]


def test_the_share_of_targets_among_the_candidates_is_reported(held_out):
    """It is an upper bound of recall."""
    truth = held_out.truth

    def answer(case, limit):
        found = tuple(truth.items_of(case.number)) if case.number % 2 else ("item-000",)
        return RankedList((), recalled=found)

    _, found = scored(held_out, answer)

    assert pytest.approx(0.5, abs=0.02) == found["recalled"].value
