import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, by_key, moody, nothing, score_of
from unillmrec.judge import SimilarityJudge
from unillmrec.stages import Candidate, rank, start_run

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def candidates(placed):
    return [Candidate(each, 100.0 - n, "nearest") for n, each in enumerate(placed[:40])]


def numbers(sources):
    return [each.placed.number for each in sources]


@SHARED
@given(seed=st.integers(0, 999), count=st.integers(0, 40), window=st.integers(1, 50))
def test_no_candidate_is_lost(tree, somebody, candidates, seed, count, window):
    """Every candidate is returned once, whatever the judge leaves out, in windows of any size."""
    run = start_run(tree, ScriptedJudge(moody(seed), window=window))

    ranked = rank(run, somebody, candidates[:count])

    assert sorted(numbers(candidates[:count])) == sorted(numbers(ranked))


@SHARED
@given(seed=st.integers(0, 999), window=st.integers(2, 50))
def test_the_best_wins_through_all_windows(tree, somebody, candidates, seed, window):
    """A consistent judge finds its favourite, whichever window it is in."""
    run = start_run(tree, ScriptedJudge(by_key(seed), window=window))

    ranked = rank(run, somebody, candidates)

    expected = max(numbers(candidates), key=lambda number: score_of(number, seed))
    assert expected == numbers(ranked)[0]


def test_the_order_of_a_single_window_is_the_ranking(tree, somebody, candidates):
    """If all candidates fit one question, one question is asked."""
    judge = ScriptedJudge(by_key(1))

    ranked = rank(start_run(tree, judge), somebody, candidates)

    (question,) = judge.asked
    assert ("rank", 40) == (question.kind, question.limit)
    assert sorted(numbers(candidates), key=lambda n: -score_of(n, 1)) == numbers(ranked)
    assert [score_of(number, 1) for number in numbers(ranked)] == [each.score for each in ranked]


def test_windows_merge(tree, somebody, candidates):
    """The better halves of all windows are ranked again, until one window holds them."""
    judge = ScriptedJudge(by_key(1), window=10)

    ranked = rank(start_run(tree, judge), somebody, candidates)

    sizes = [len(question.choices) for question in judge.asked]
    best = sorted(numbers(candidates), key=lambda number: -score_of(number, 1))
    # Forty in windows of ten; of the twenty better ones, ten; of the last ten, one order.
    assert [10, 10, 10, 10, 10, 10, 10] == sizes
    last = {choice.key for choice in judge.asked[-1].choices}
    second = {choice.key for question in judge.asked[4:6] for choice in question.choices}
    assert set(numbers(ranked)[:10]) == last
    assert set(numbers(ranked)[:20]) == second
    assert [number for number in best if number in last] == numbers(ranked)[:10]


def test_unranked_candidates_follow_in_recall_order(tree, somebody, candidates):
    """Candidates that the judge leaves out come after the ranked ones."""
    judge = ScriptedJudge(lambda question: [(3, 90.0), (2, 80.0)])

    ranked = rank(start_run(tree, judge), somebody, candidates[:5])

    named = [judge.asked[0].choices[place].key for place in (2, 1)]
    others = [number for number in numbers(candidates[:5]) if number not in named]
    assert named + others == numbers(ranked)
    assert [90.0, 80.0, 0.0, 0.0, 0.0] == [each.score for each in ranked]


def test_windows_of_one_choice_terminate(tree, somebody, candidates):
    """A judge that sees one choice at a time leaves the order unchanged."""
    ranked = rank(start_run(tree, ScriptedJudge(nothing, window=1)), somebody, candidates)

    assert numbers(candidates) == numbers(ranked)


@pytest.mark.parametrize("count", [0, 1])
def test_asks_nothing_about_an_empty_list_or_a_single_candidate(tree, somebody, candidates, count):
    """There is nothing to order."""
    judge = ScriptedJudge(by_key())

    ranked = rank(start_run(tree, judge), somebody, candidates[:count])

    assert ([], candidates[:count]) == (judge.asked, ranked)


def test_keeps_how_a_candidate_was_found(tree, somebody, candidates):
    """The ranking changes the score, not the source of a candidate."""
    ranked = rank(start_run(tree, SimilarityJudge(tree)), somebody, candidates)

    assert {"nearest"} == {each.found for each in ranked}
    assert sorted((each.score for each in ranked), reverse=True) == [each.score for each in ranked]
