import pytest

from tests import trees
from unillmrec.judge import Choice, HistoryQuestion, Interest, Profile, Question
from unillmrec.judge.description_judge import DescriptionJudge
from unillmrec.usage import Stage


def asked(judge, likes, *lines, vector=None):
    choices = tuple(Choice(n, line, -n) for n, line in enumerate(lines, start=1))
    profile = Profile((Interest(likes, 1.0),), vector)
    question = Question("choose", Stage.RECALL, profile, choices, len(lines))
    assert (question,) == tuple(judge.windows(question))
    return judge.choose(question).scores


@pytest.mark.parametrize("made", [trees.tree, trees.given_tree])
def test_compares_only_the_words_of_the_lines(shared, made):
    """Keys do not matter: the line with the words wins, in every kind of tree."""
    with made(shared) as tree:
        lines = ["bread and butter (1,200)", "a whale, a captain (3)", "violins (40)"]

        scores = asked(DescriptionJudge(tree), "the captain and the whale", *lines)

    assert 2 == scores[0][0]
    assert scores[0][1] > 50
    assert {1: 0.0, 3: 0.0} == dict(scores[1:])


def test_the_vector_is_preferred_to_the_text(tree):
    """In a tree of term vectors, lines are compared with the vector of the profile."""
    judge = DescriptionJudge(tree)
    vector = tree.vector_of_text("orbit comet")

    scores = asked(judge, "bread", "bread and butter", "comets in orbit", vector=vector)

    assert [2, 1] == [number for number, _ in scores]


def test_item_counts_are_not_words(tree):
    """The count behind a line does not match a number in a title."""
    near = dict(asked(DescriptionJudge(tree), "whale 192", "rose (192)", "whale (3)"))

    assert (0.0, True) == (near[1], near[2] > 0)


def test_returns_the_history_as_one_interest(tree):
    """The interest consists of the lines of the history."""
    (interest,) = DescriptionJudge(tree).interests(HistoryQuestion(("a", "b"))).interests

    assert "a; b" == interest.text
