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


def reversed_choices(asked):
    """The same question with its choices in reverse order."""
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


def test_the_same_question_gets_the_same_noise():
    """So measurements can be repeated, in any order and on any number of threads."""
    one, other = NoisyJudge(level(50.0), 5, seed=3), NoisyJudge(level(50.0), 5, seed=3)
    other.choose(question(7))

    assert one.choose(question()) == other.choose(question())


@pytest.mark.parametrize(
    ("judge", "asked"),
    [
        (NoisyJudge(level(50.0), 5, seed=4), question()),
        (NoisyJudge(level(50.0), 5, seed=3), question(likes="loud things")),
        (NoisyJudge(level(50.0), 5, seed=3), reversed_choices(question())),
        (NoisyJudge(level(50.0), 5, seed=3), question(19)),
    ],
)
def test_noise_differs_by_seed_person_order_and_list(judge, asked):
    """Asking again in another order gives a second opinion."""
    first = NoisyJudge(level(50.0), 5, seed=3).choose(question())
    given, other = by_key(question(), first), by_key(asked, judge.choose(asked))

    assert {key: given[key] for key in other} != other


def test_noise_has_the_given_spread():
    """The scores of a thousand equal choices have sigma as their standard deviation."""
    scores = [score for _, score in NoisyJudge(level(50.0), 5).choose(question(1000)).scores]

    assert 50 == pytest.approx(statistics.mean(scores), abs=0.5)
    assert 5 == pytest.approx(statistics.stdev(scores), rel=0.1)
    assert scores == sorted(scores, reverse=True)


def test_noisy_scores_stay_between_0_and_100():
    """However large the noise is."""
    scores = [score for _, score in NoisyJudge(level(99.0), 80).choose(question(200)).scores]

    assert (0, 100) == (min(scores), max(scores))


def test_a_choice_left_out_stays_out():
    """Noise does not add choices to an answer."""
    few = ScriptedJudge(lambda asked: [(2, 50.0)])

    assert [2] == [number for number, _ in NoisyJudge(few, 5).choose(question()).scores]


def test_a_position_bias_decreases_from_first_to_last():
    """The first choice gets all of it, the middle half of it, the last none."""
    verdict = BiasedJudge(level(50.0), 10).choose(question(3))

    assert ((1, 60.0), (2, 55.0), (3, 50.0)) == verdict.scores
    assert ((1, 60.0),) == BiasedJudge(level(50.0), 10).choose(question(1)).scores


def test_their_names_show_that_they_are_simulated():
    """No output may be mistaken for that of a model."""
    judge = BiasedJudge(NoisyJudge(level(1.0), 2.5), 10)

    assert (
        "scripted judge with simulated noise of 2.5 points "
        "with a simulated position bias of 10 points" == judge.name
    )


def test_everything_but_scores_is_passed_through():
    """Profiles and the windows of a question are those of the wrapped judge."""
    inner = ScriptedJudge(lambda asked: [], at_once=3, window=2)
    judge = NoisyJudge(inner, 5)

    assert [2, 2, 1] == [len(each.choices) for each in judge.windows(question(5))]
    assert "quiet things" == judge.interests(HistoryQuestion(("- a",))).interests[0].text
    assert (3, True) == (judge.at_once, judge.works_without_vector)
