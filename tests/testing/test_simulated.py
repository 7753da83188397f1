import statistics
from dataclasses import replace

import pytest

from tests.judges import ScriptedJudge
from unillmrec.judge import Choice, HistoryQuestion, Interest, Profile, Question
from unillmrec.testing import BiasedJudge, NoisyJudge
from unillmrec.usage import Stage


def question(count=20, likes="quiet things"):
    choices = tuple(Choice(n, f"book {n}", 100 + n) for n in range(1, count + 1))
    profile = Profile((Interest(likes, 1.0),))
    return Question("choose", Stage.RECALL, profile, choices, count)


def turned(asked):
    """The same question with its choices the other way round."""
    lines = tuple(
        replace(choice, number=number)
        for number, choice in enumerate(reversed(asked.choices), start=1)
    )
    return replace(asked, choices=lines)


def level(score):
    return ScriptedJudge(lambda asked: [(choice.number, score) for choice in asked.choices])


def by_key(asked, verdict):
    keys = {choice.number: choice.key for choice in asked.choices}
    return {keys[number]: score for number, score in verdict.scores}


def test_noise_is_the_same_for_the_same_question_whatever_was_asked_before():
    """What is measured can be measured again, in any order and on any number of threads."""
    one, other = NoisyJudge(level(50.0), 5, seed=3), NoisyJudge(level(50.0), 5, seed=3)
    other.choose(question(7))

    assert one.choose(question()) == other.choose(question())


@pytest.mark.parametrize(
    ("judge", "asked"),
    [
        (NoisyJudge(level(50.0), 5, seed=4), question()),
        (NoisyJudge(level(50.0), 5, seed=3), question(likes="loud things")),
        (NoisyJudge(level(50.0), 5, seed=3), turned(question())),
        (NoisyJudge(level(50.0), 5, seed=3), question(19)),
    ],
)
def test_noise_is_another_for_another_seed_person_order_or_list(judge, asked):
    """Asking again in another order is a second opinion."""
    first = NoisyJudge(level(50.0), 5, seed=3).choose(question())
    given, told = by_key(question(), first), by_key(asked, judge.choose(asked))

    assert {key: given[key] for key in told} != told


def test_noise_is_as_wide_as_it_says():
    """The scores of a thousand equal choices spread by sigma round their own score."""
    scores = [score for _, score in NoisyJudge(level(50.0), 5).choose(question(1000)).scores]

    assert 50 == pytest.approx(statistics.mean(scores), abs=0.5)
    assert 5 == pytest.approx(statistics.stdev(scores), rel=0.1)
    assert scores == sorted(scores, reverse=True)


def test_scores_stay_scores():
    """They lie between 0 and 100, however much is added."""
    scores = [score for _, score in NoisyJudge(level(99.0), 80).choose(question(200)).scores]

    assert (0, 100) == (min(scores), max(scores))


def test_a_choice_left_out_stays_out():
    """Noise makes no choice appear."""
    few = ScriptedJudge(lambda asked: [(2, 50.0)])

    assert [2] == [number for number, _ in NoisyJudge(few, 5).choose(question()).scores]


def test_a_bias_falls_from_the_first_place_to_the_last():
    """All of it for the first choice, half in the middle, none for the last."""
    verdict = BiasedJudge(level(50.0), 10).choose(question(3))

    assert ((1, 60.0), (2, 55.0), (3, 50.0)) == verdict.scores
    assert ((1, 60.0),) == BiasedJudge(level(50.0), 10).choose(question(1)).scores


def test_they_say_that_they_are_simulated():
    """No output may be taken for a model's."""
    judge = BiasedJudge(NoisyJudge(level(1.0), 2.5), 10)

    assert (
        "scripted judge with simulated noise of 2.5 points "
        "with a simulated position bias of 10 points" == judge.name
    )


def test_everything_else_is_the_other_judges():
    """What a history says and how a question is parted is not theirs to change."""
    inner = ScriptedJudge(lambda asked: [], at_once=3, window=2)
    judge = NoisyJudge(inner, 5)

    assert [2, 2, 1] == [len(each.choices) for each in judge.windows(question(5))]
    assert "quiet things" == judge.interests(HistoryQuestion(("- a",))).interests[0].text
    assert (3, True) == (judge.at_once, judge.works_without_vector)
