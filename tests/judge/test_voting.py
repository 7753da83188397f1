from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.judges import ScriptedJudge, by_key
from unillmrec.errors import BudgetError, EndpointError, SettingsError
from unillmrec.judge import (
    Choice,
    Dropped,
    Exchange,
    HistoryQuestion,
    Profile,
    Question,
    Verdict,
)
from unillmrec.judge.voting import VotingJudge, is_close
from unillmrec.testing import BiasedJudge
from unillmrec.usage import Stage, Usage


def level(question):
    return [(choice.number, 50.0) for choice in question.choices]


def clear(question):
    """Score the choice with the key 101 far above the others."""
    return [(each.number, 90.0 if each.key == 101 else 20.0) for each in question.choices]


def keys(question):
    return [choice.key for choice in question.choices]


def test_a_clear_result_is_asked_for_once(asking):
    """If one branch is far ahead, another order would not change that."""
    inner = ScriptedJudge(clear)

    verdict = VotingJudge(inner, "auto").choose(asking("choose"))

    assert (1, 90.0) == verdict.scores[0]
    assert 1 == len(inner.asked) == verdict.usage.calls


def test_a_close_result_is_asked_for_again_in_reverse(asking):
    """The second order is the reverse of the first."""
    inner = ScriptedJudge(level)

    verdict = VotingJudge(inner, "auto").choose(asking("choose"))

    assert [[101, 102, 103], [103, 102, 101]] == [keys(each) for each in inner.asked]
    assert [[1, 2, 3], [1, 2, 3]] == [[c.number for c in each.choices] for each in inner.asked]
    assert 2 == verdict.usage.calls


@pytest.mark.parametrize("votes", ["auto", 2, 4])
def test_position_bias_cancels_out(asking, votes):
    """A judge with a strong preference for the top of a list is as good as one without."""
    question = asking("choose", ["line"] * 7)
    fair = VotingJudge(ScriptedJudge(level), votes).choose(question)

    verdict = VotingJudge(BiasedJudge(ScriptedJudge(level), 6), votes).choose(question)

    assert dict(fair.scores) == {number: score - 3 for number, score in verdict.scores}


@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 99))
def test_scores_have_the_numbers_of_the_question(asking, votes, count, seed):
    """A judge that ignores positions gives the same scores in every order."""
    question = asking("choose", ["line"] * count)
    inner = ScriptedJudge(by_key(seed))

    verdict = VotingJudge(inner, votes).choose(question)

    assert pytest.approx(dict(by_key(seed)(question))) == dict(verdict.scores)
    assert votes == len(inner.asked) == verdict.usage.calls
    scores = [score for _, score in verdict.scores]
    assert sorted(scores, reverse=True) == scores


def test_a_choice_left_out_of_a_vote_scores_zero_in_it(asking):
    """Left out of half of the votes, it gets half the points."""
    answers = iter([[(1, 60.0), (2, 60.0)], [(3, 80.0)]])
    judge = VotingJudge(ScriptedJudge(lambda question: next(answers)), 2)

    # The third of the second order is the first of the question.
    assert ((1, 70.0), (2, 30.0)) == judge.choose(asking("choose")).scores


def test_items_are_asked_about_once(asking):
    """Only questions about branches are repeated."""
    inner = ScriptedJudge(level)

    VotingJudge(inner, 3).choose(asking("pick"))
    answer = VotingJudge(inner, 3).interests(HistoryQuestion(("- a book",)))

    assert "quiet things" == answer.interests[0].text
    assert 2 == len(inner.asked)


class Prepared(ScriptedJudge):
    """Returns prepared verdicts, or raises prepared errors."""

    def __init__(self, *verdicts):
        super().__init__(level)
        self.verdicts = iter(verdicts)

    def choose(self, question):
        verdict = next(self.verdicts)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict


def exchange(reply):
    return Exchange((("user", "?"),), reply, Usage(calls=1))


ONE = Verdict(((1, 50.0), (2, 50.0)), Dropped(invented=1), Usage(calls=1), (exchange("a"),))
OTHER = Verdict(((3, 90.0),), Dropped(repeated=2), Usage(calls=2), (exchange("b"),))


def test_the_usage_of_all_votes_is_billed(asking):
    """Calls, exchanges and dropped counts add up."""
    verdict = VotingJudge(Prepared(ONE, OTHER), 2).choose(asking("choose"))

    assert 3 == verdict.usage.calls
    assert ["a", "b"] == [each.reply for each in verdict.exchanges]
    assert Dropped(invented=1, repeated=2) == verdict.dropped


def test_fallback_votes_are_not_averaged_with_the_judges(asking):
    """Their scores are on another scale; alone they are used, and named."""
    fallback = replace(OTHER, fallback="somebody else")

    mixed = VotingJudge(Prepared(ONE, fallback), 2).choose(asking("choose"))
    alone = VotingJudge(Prepared(fallback, fallback), 2).choose(asking("choose"))

    assert (((1, 50.0), (2, 50.0)), "") == (mixed.scores, mixed.fallback)
    assert (((3, 90.0),), "somebody else") == (alone.scores, alone.fallback)


def test_when_the_budget_ends_the_votes_so_far_count(asking):
    """One answer is better than none."""
    verdict = VotingJudge(Prepared(ONE, BudgetError("tokens", "the tokens are spent.")), 3)

    assert ONE == verdict.choose(asking("choose"))


def test_a_failure_keeps_the_calls_before_it(asking):
    """They were paid for, and belong on the bill and in the trace."""
    error = EndpointError("it is gone.")
    error.exchanges = (exchange("c"),)

    with pytest.raises(EndpointError) as caught:
        VotingJudge(Prepared(ONE, error), 2).choose(asking("choose"))

    assert ["a", "c"] == [each.reply for each in caught.value.exchanges]


def test_uses_letters_where_the_judge_does():
    """Votes do not change how a question is asked."""
    lettered = ScriptedJudge(level)
    lettered.asks_by_letters = True

    assert VotingJudge(lettered, 2).asks_by_letters
    assert not VotingJudge(ScriptedJudge(level), 2).asks_by_letters


@pytest.mark.parametrize(
    ("scores", "expected"),
    [([], False), ([50], False), ([80, 70], True), ([80, 60], False), ([0, 0], True)],
)
def test_close_is_a_share_of_the_best(scores, expected):
    """Judges use different scales; a share means the same on each."""
    assert expected == is_close(Verdict(tuple(enumerate(map(float, scores), start=1))))


def test_the_name_says_how_often_it_asks():
    """The name is in every output."""
    assert "scripted judge, asked 3 times" == VotingJudge(ScriptedJudge(level), 3).name
    assert VotingJudge(ScriptedJudge(level), "auto").name.endswith("again where it was close")
    assert 4 == VotingJudge(ScriptedJudge(level, at_once=4), 2).at_once


@pytest.mark.parametrize("votes", [0, 10])
def test_too_many_votes_are_refused(votes):
    """The error gives the allowed range."""
    with pytest.raises(SettingsError, match="auto, or from 1 to 9"):
        VotingJudge(ScriptedJudge(level), votes)


def test_probabilities_are_averaged_by_the_numbers_of_the_question():
    """Each choice gets the mean of its own shares."""

    class Sharing(ScriptedJudge):
        def choose(self, question):
            weights = {each.number: float(each.key) for each in question.choices}
            total = sum(weights.values())
            pairs = sorted(((n, w / total) for n, w in weights.items()), key=lambda p: -p[1])
            return Verdict(tuple((n, 100 * share) for n, share in pairs), shares=tuple(pairs))

    choices = tuple(Choice(number, "", number) for number in range(1, 5))
    question = Question("choose", Stage.RECALL, Profile(()), choices, 4)

    verdict = VotingJudge(Sharing(lambda asked: ()), 2).choose(question)

    assert {number: number / 10 for number in range(1, 5)} == pytest.approx(dict(verdict.shares))
