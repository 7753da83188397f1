from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, moody, nothing
from unillmrec.stages import Candidate, Options, rerank, start_run
from unillmrec.stages.rerank import tree_nearness

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="session")
def branch_of(tree):
    """The child of the root that an item is under."""
    return lambda each: tree.ancestors(each.placed.leaf)[0].id


@pytest.fixture(scope="session")
def largest(placed):
    """The leaf that holds the most items."""
    return Counter(each.leaf for each in placed).most_common(1)[0][0]


@pytest.fixture(scope="session")
def ranked(tree, placed, largest):
    """Forty candidates: ten of one leaf, then ten more of its branch, then twenty of others."""
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
def test_gives_as_many_as_there_are(
    tree, somebody, ranked, seed, limit, variety, most, reorder, count, window
):
    """Whatever is asked for, the list is full, of candidates, each at most once."""
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

    found = [each.placed.number for each in listed]
    assert min(limit, count) == len(found) == len(set(found))
    assert set(found) <= {each.placed.number for each in ranked[:count]}


@pytest.mark.parametrize("options", [{"variety": 0.0}, {"reorder": "none", "variety": 1.0}])
def test_without_variety_the_ranking_stands(tree, somebody, ranked, options):
    """Nobody reorders when variety is worth nothing, or when nobody is to."""
    assert ranked[:10] == reranked(tree, somebody, ranked, limit=10, **options)


def test_full_variety_spreads_over_the_branches(tree, somebody, ranked, branch_of):
    """Every branch is visited before one is visited twice; the best one still comes first."""
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
    """No branch gets more places than it may have, if the others can fill the list."""
    judge = ScriptedJudge(lambda question: [(c.number, c.number) for c in question.choices])

    listed = reranked(
        tree, somebody, ranked, judge, limit=4, most_per_branch=most, reorder=reorder, variety=0.0
    )

    assert 4 == len(listed)
    assert most >= max(Counter(map(branch_of, listed)).values())


def test_the_quota_gives_way_to_a_full_list(tree, somebody, ranked, branch_of):
    """Where the quota would leave places empty, the best of what it held back takes them."""
    listed = reranked(tree, somebody, ranked[:20], limit=8, most_per_branch=2, variety=0.0)

    assert ranked[:8] == listed
    assert {8} == set(Counter(map(branch_of, listed)).values())


def test_the_model_puts_the_list_together(tree, somebody, ranked):
    """The judge's order comes first, and the ranking fills up what it left open."""
    judge = ScriptedJudge(lambda question: [(30, 100.0), (3, 50.0)])

    listed = reranked(tree, somebody, ranked, judge, limit=5, reorder="model")

    (question,) = judge.asked
    assert ("rerank", 5) == (question.kind, question.limit)
    assert [ranked[n] for n in (29, 2, 0, 1, 3)] == listed


def test_the_model_is_not_given_more_than_the_limit_allows(tree, somebody, ranked):
    """Of an answer that is too long, the first places count."""
    judge = ScriptedJudge(lambda question: [(n, 100.0 - n) for n in range(1, 31)])

    assert ranked[:4] == reranked(tree, somebody, ranked, judge, limit=4, reorder="model")


def test_the_model_is_asked_about_the_first_window(tree, somebody, ranked):
    """What does not fit one question is left out of it, from the end of the ranking."""
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
def test_nearness_is_the_share_of_the_common_way(one, other, expected):
    """Two leaves are as near as their ways from the root are common."""
    assert expected == tree_nearness(one, other) == tree_nearness(other, one)
