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
def test_goes_by_the_words_of_the_lines_alone(shared, made):
    """Keys mean nothing to it: the line with the words wins, in any kind of tree."""
    with made(shared) as tree:
        lines = ["bread and butter (1,200)", "a whale, a captain (3)", "violins (40)"]

        scores = asked(DescriptionJudge(tree), "the captain and the whale", *lines)

    assert 2 == scores[0][0]
    assert scores[0][1] > 50
    assert {1: 0.0, 3: 0.0} == dict(scores[1:])


def test_a_vector_says_more_than_a_title(tree):
    """Where the person stands among weighted terms, the lines are held against that."""
    judge = DescriptionJudge(tree)
    vector = tree.vector_of_text("orbit comet")

    scores = asked(judge, "bread", "bread and butter", "comets in orbit", vector=vector)

    assert [2, 1] == [number for number, _ in scores]


def test_numbers_of_items_are_no_words(tree):
    """The count behind a line is not held against the number in a title."""
    near = dict(asked(DescriptionJudge(tree), "whale 192", "rose (192)", "whale (3)"))

    assert (0.0, True) == (near[1], near[2] > 0)


def test_names_the_history_as_one_interest(tree):
    """It makes nothing of a history but its own words."""
    (interest,) = DescriptionJudge(tree).interests(HistoryQuestion(("a", "b"))).interests

    assert "a; b" == interest.text
