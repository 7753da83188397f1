from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, moody, nothing
from unillmrec.stages import Candidate, Options, rerank, start_run
from unillmrec.stages.rerank import tree_similarity

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def branch_of(tree):
    """Return the child of the root above an item."""
    return lambda each: tree.ancestors(each.placed.leaf)[0].id


@pytest.fixture(scope="session")
def largest(placed):
    """Return the leaf with the most items."""
    return Counter(each.leaf for each in placed).most_common(1)[0][0]


@pytest.fixture(scope="session")
def ranked(tree, placed, largest):
    """Return forty candidates: ten of one leaf, ten more of its branch, twenty of others."""
    branch = tree.ancestors(largest)[0]
    nearest = [each for each in placed if each.leaf == largest][:10]
    near = [each for each in placed if branch in tree.ancestors(each.leaf) and each.leaf != largest]
    far = [each for each in placed if branch not in tree.ancestors(each.leaf)]
    return [Candidate(each, 100.0 - n) for n, each in enumerate(nearest + near[:10] + far[:20])]


def reranked(tree, somebody, ranked, judge=None, **options):
    run = start_run(tree, judge or ScriptedJudge(nothing), Options(**options))
    return rerank(run, somebody, ranked)


@SHARED
@given(
    seed=st.integers(0, 99),
    limit=st.integers(1, 60),
    variety=st.floats(0, 1),
    most=st.none() | st.integers(1, 10),
    reorder=st.sampled_from(["tree", "model", "none"]),
    count=st.integers(0, 40),
    window=st.sampled_from([3, 1000]),
)
def test_returns_a_full_list(
    tree, somebody, ranked, seed, limit, variety, most, reorder, count, window
):
    """The list is as long as possible, and each candidate is in it at most once."""
    listed = reranked(
        tree,
        somebody,
        ranked[:count],
        ScriptedJudge(moody(seed), window=window),
        limit=limit,
        variety=variety,
        most_per_branch=most,
        reorder=reorder,
    )

    numbers = [each.placed.number for each in listed]
    assert min(limit, count) == len(numbers) == len(set(numbers))
    assert set(numbers) <= {each.placed.number for each in ranked[:count]}


@pytest.mark.parametrize("options", [{"variety": 0.0}, {"reorder": "none", "variety": 1.0}])
def test_without_variety_the_ranking_is_unchanged(tree, somebody, ranked, options):
    """Nothing is reordered with a variety of zero, or without reordering."""
    assert ranked[:10] == reranked(tree, somebody, ranked, limit=10, **options)


def test_full_variety_spreads_over_the_branches(tree, somebody, ranked, branch_of):
    """Every branch comes before one comes twice; the best candidate is still first."""
    branches = {branch_of(each) for each in ranked}

    listed = reranked(tree, somebody, ranked, limit=len(branches), variety=1.0)

    assert ranked[0] == listed[0]
    assert len(branches) == len({branch_of(each) for each in listed})


def test_more_variety_means_less_of_one_leaf(tree, somebody, ranked, largest):
    """The share of the first leaf falls as variety rises."""
    shares = [
        sum(
            each.placed.leaf == largest
            for each in reranked(tree, somebody, ranked, variety=variety)
        )
        for variety in (0.0, 0.2, 0.5, 1.0)
    ]

    assert sorted(shares, reverse=True) == shares
    assert (10, 1) == (shares[0], shares[-1])


@pytest.mark.parametrize("reorder", ["tree", "model", "none"])
@pytest.mark.parametrize("most", [1, 2, 3])
def test_keeps_a_branch_within_its_quota(tree, somebody, ranked, branch_of, most, reorder):
    """No branch exceeds its quota if others can fill the list."""
    judge = ScriptedJudge(lambda question: [(c.number, c.number) for c in question.choices])

    listed = reranked(
        tree, somebody, ranked, judge, limit=4, most_per_branch=most, reorder=reorder, variety=0.0
    )

    assert 4 == len(listed)
    assert most >= max(Counter(map(branch_of, listed)).values())


def test_the_quota_gives_way_to_a_full_list(tree, somebody, ranked, branch_of):
    """If the quota would shorten the list, the best candidates beyond it fill the places."""
    listed = reranked(tree, somebody, ranked[:20], limit=8, most_per_branch=2, variety=0.0)

    assert ranked[:8] == listed
    assert {8} == set(Counter(map(branch_of, listed)).values())


def test_the_model_chooses_the_list(tree, somebody, ranked):
    """The judge's order comes first, followed by the ranking."""
    judge = ScriptedJudge(lambda question: [(30, 100.0), (3, 50.0)])

    listed = reranked(tree, somebody, ranked, judge, limit=5, reorder="model")

    (question,) = judge.asked
    assert ("rerank", 5) == (question.kind, question.limit)
    assert [ranked[n] for n in (29, 2, 0, 1, 3)] == listed


def test_a_longer_answer_is_cut_to_the_limit(tree, somebody, ranked):
    """Only the first places of a long answer count."""
    judge = ScriptedJudge(lambda question: [(n, 100.0 - n) for n in range(1, 31)])

    assert ranked[:4] == reranked(tree, somebody, ranked, judge, limit=4, reorder="model")


def test_the_model_is_asked_about_the_first_window(tree, somebody, ranked):
    """Candidates that do not fit one question are left out, from the end of the ranking."""
    judge = ScriptedJudge(nothing, window=12)

    listed = reranked(tree, somebody, ranked, judge, limit=15, reorder="model")

    (question,) = judge.asked
    assert [each.placed.number for each in ranked[:12]] == [each.key for each in question.choices]
    assert ranked[:15] == listed


@pytest.mark.parametrize("reorder", ["tree", "model", "none"])
@pytest.mark.parametrize("count", [0, 1])
def test_asks_nothing_about_an_empty_list_or_a_single_candidate(
    tree, somebody, ranked, reorder, count
):
    """There is nothing to reorder."""
    judge = ScriptedJudge(nothing)

    listed = reranked(tree, somebody, ranked[:count], judge, reorder=reorder)

    assert ([], ranked[:count]) == (judge.asked, listed)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((), (), 1.0),
        ((2, 5, 9), (2, 5, 9), 1.0),
        ((2, 5, 9), (2, 5, 8), 4 / 6),
        ((2, 5, 9), (2, 6), 2 / 5),
        ((2,), (3,), 0.0),
        ((2, 5, 9), (3, 5, 9), 0.0),
    ],
)
def test_nearness_is_the_common_share_of_the_paths(one, other, expected):
    """It is 1 for the same leaf, and 0 for paths with nothing in common."""
    assert expected == tree_similarity(one, other) == tree_similarity(other, one)
