from dataclasses import replace

import pytest

from tests import trees
from unillmrec.judge import (
    Choice,
    HistoryQuestion,
    Interest,
    Profile,
    Question,
    SimilarityJudge,
    Verdict,
)
from unillmrec.store import ROOT
from unillmrec.tree.vectors import similarities
from unillmrec.usage import Stage, Usage


@pytest.fixture
def judge(tree):
    return SimilarityJudge(tree)


def about(tree, keys, kind="pick", text="a captain in a storm", priors=None):
    priors = priors or [None] * len(keys)
    choices = tuple(
        Choice(number, "-", key, prior)
        for number, (key, prior) in enumerate(zip(keys, priors, strict=True), start=1)
    )
    profile = Profile((Interest(text, 1.0),), tree.vector_of_text(text) if text else None)
    return Question(kind, Stage.RECALL, profile, choices, len(choices))


@pytest.mark.parametrize("kind", ["pick", "rank", "rerank"])
def test_scores_items_by_their_cosine(tree, judge, kind):
    """A score is a hundred times the similarity to the person, best first."""
    question = about(tree, range(60), kind)

    verdict = judge.choose(question)

    near = similarities(question.profile.vector, tree.item_vectors(range(60)))
    assert {n: pytest.approx(100 * float(near[n - 1])) for n in range(1, 61)} == dict(
        verdict.scores
    )
    scores = [score for _, score in verdict.scores]
    assert sorted(scores, reverse=True) == scores
    assert scores[0] > 10 > scores[-1]


def test_scores_branches_by_their_cosine(tree, judge):
    """The keys of branches are nodes, not items."""
    keys = [node.id for node in tree.children(ROOT)]
    question = about(tree, keys, "choose")

    verdict = judge.choose(question)

    near = similarities(question.profile.vector, tree.node_vectors(keys))
    assert {n: pytest.approx(100 * float(s)) for n, s in enumerate(near, 1)} == dict(verdict.scores)
    best = tree.node(keys[verdict.scores[0][0] - 1])
    assert "sea" in best.description.words


def test_costs_nothing(tree, judge):
    """There are no calls and no usage."""
    assert Usage() == judge.choose(about(tree, range(3))).usage
    assert Verdict(()) == judge.choose(about(tree, []))


def test_popularity_raises_a_score(tree, judge):
    """Of two equally similar items the more popular comes first; similarity counts for more."""
    plain = dict(judge.choose(about(tree, [0, 0, 0])).scores)

    popular = judge.choose(about(tree, [0, 0, 0], priors=[None, 1.0, 0.5])).scores

    assert [2, 3, 1] == [number for number, _ in popular]
    assert plain == {**plain, 1: dict(popular)[1]}
    assert dict(popular)[2] == pytest.approx(plain[2] + 10)
    assert dict(popular)[3] == pytest.approx(plain[3] + 5)


def test_a_score_never_leaves_its_scale(tree, judge):
    """The most popular item with a perfect match has a hundred, not more."""
    question = about(tree, [0], priors=[1.0])
    (vector,) = tree.item_vectors([0])
    question = replace(question, profile=Profile(question.profile.interests, vector))

    assert ((1, 100.0),) == judge.choose(question).scores


def test_without_a_vector_nothing_is_scored(tree, judge):
    """Nothing is known about the person, so nothing is reordered."""
    assert () == judge.choose(about(tree, [5, 3, 9], text="")).scores


def test_without_a_vector_popular_items_come_first(tree, judge):
    """Popularity decides, where it is used."""
    verdict = judge.choose(about(tree, [5, 3, 9], text="", priors=[0.2, 0.9, 0.2]))

    assert [2, 1, 3] == [number for number, _ in verdict.scores]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("whale", "storm"), "whale, storm"),
        (tuple("abcdefghij"), "a, b, c, d, e, f, g, h"),
        ((), "the items of the history"),
    ],
)
def test_names_a_history_by_its_words(judge, words, expected):
    """The words with the highest weights are the profile."""
    result = judge.interests(HistoryQuestion(("- a book",), words))

    assert ((Interest(expected, 1.0),), Usage()) == (result.interests, result.usage)


def test_works_over_given_vectors(shared):
    """It also works where vectors are embeddings."""
    tree = trees.given_tree(shared)
    (vector,) = tree.item_vectors([6])
    question = replace(about(tree, range(12)), profile=Profile((), vector))

    (first, *_), *_ = SimilarityJudge(tree).choose(question).scores

    assert 7 == first


def test_has_no_windows(tree, judge):
    """Vectors have no context window."""
    question = about(tree, range(300))

    assert (question,) == judge.windows(question)
    assert "no language model" in judge.name
