from dataclasses import replace
from pathlib import Path

import pytest

from unillmrec.usage import Usage
from unillmrec.usage_log import Call, Experience, UsageLog

MADE = Call("rank", "chat", "m", "here", Usage(), seconds=2.0, max_output=300)


def answer(estimated, prompt, completion=50, **others):
    usage = Usage(1, prompt, completion, 0, 0, estimated, 40)
    return replace(MADE, usage=usage, **others)


@pytest.fixture
def learn(tmp_path):
    """What is learnt of calls about a model."""

    def learn(*calls, model="m", endpoint="here"):
        path = tmp_path / "log"
        with UsageLog(path, command="test", tree=Path("t"), warn=print) as log:
            for call in calls:
                log.add(call)
        return Experience.read(path, model, endpoint)

    return learn


def test_a_ratio_of_sums_is_learnt_from_three_answers(learn):
    """Less teach nothing; of more, the worst one says how far a prompt may be off."""
    two = [answer(100, 120), answer(200, 240)]

    assert {} == learn(*two).lessons
    lesson = learn(answer(100, 150)).lessons["rank"]
    assert (3, 510 / 400) == (lesson.answers, lesson.prompt)
    assert 2 * (150 / 127.5 - 1) == pytest.approx(lesson.margin)
    assert (50 / 300, 40) == pytest.approx((lesson.completion, lesson.spoken))
    assert (2.0, 2.0, 2.0) == lesson.seconds


def test_a_stage_without_answers_of_its_own_learns_of_the_others(learn):
    """The vocabulary is the same; how much is written is not."""
    known = learn(*[answer(100, 120) for _ in range(3)])

    assert known.of("rank") is known.lessons["rank"]
    assert (1.2, 0.0) == (known.of("recall").prompt, known.of("recall").completion)


def test_only_what_can_be_compared_teaches(learn):
    """Neither failed, repeated or silent calls, nor those of another model or place."""
    others = [
        answer(100, 900, failure="timeout"),
        replace(answer(100, 900), usage=Usage(2, 900, 9, 0, 0, 100, 9)),
        replace(answer(100, 900), usage=Usage(1, None, None, None, None, 100, 9)),
        answer(100, 900, model="n"),
        answer(100, 900, endpoint="there"),
    ]

    lesson = learn(*[answer(100, 110) for _ in range(3)], *others * 3).lessons["rank"]

    assert (3, 1.1) == (lesson.answers, lesson.prompt)


def test_what_is_asked_again_costs_more(learn):
    """Repeated questions are no first answers, and add to what those take."""
    lesson = learn(
        *[answer(100, 100, 50) for _ in range(4)], answer(250, 250, 50, again=True)
    ).lessons["rank"]

    assert (4, 1.0) == (lesson.answers, lesson.prompt)
    assert 900 / 600 == pytest.approx(lesson.more)


def test_a_server_that_always_says_the_same_is_not_believed(learn):
    """One count for prompts of all sizes is no count; one size alone would prove nothing."""
    assert "" == learn(*[answer(100, 10) for _ in range(3)]).distrusted
    known = learn(answer(900, 10))

    assert {} == known.lessons
    assert known.of("rank") is None
    assert (
        "the server reports 10 prompt tokens whatever it is sent, 100 or 900; "
        "its counts are not used"
    ) == known.distrusted


def test_what_cannot_be_read_teaches_nothing(tmp_path):
    """A plan without a history is a plan all the same."""
    (tmp_path / "text").write_text("dear diary")

    for path in (None, tmp_path / "missing", tmp_path / "text"):
        assert Experience() == Experience.read(path, "m", "here")
