from dataclasses import replace
from pathlib import Path

import pytest

from unillmrec.usage import Usage
from unillmrec.usage_log import Calibration, Call, UsageLog

CALL = Call("rank", "chat", "m", "here", Usage(), seconds=2.0, max_output=300)


def answer(estimated, prompt, completion=50, **others):
    usage = Usage(1, prompt, completion, 0, 0, estimated, 40)
    return replace(CALL, usage=usage, **others)


@pytest.fixture
def calibrate(tmp_path):
    """Log calls, and return the calibration of a model from them."""

    def calibrate(*calls, model="m", endpoint="here"):
        path = tmp_path / "log"
        with UsageLog(path, command="test", tree=Path("t"), warn=print) as log:
            for call in calls:
                log.add(call)
        return Calibration.read(path, model, endpoint)

    return calibrate


def test_three_replies_calibrate_a_stage(calibrate):
    """Fewer do not; the ratio is one of sums, and its margin twice the worst error."""
    two = [answer(100, 120), answer(200, 240)]

    assert {} == calibrate(*two).by_stage
    known = calibrate(answer(100, 150)).by_stage["rank"]
    assert (3, 510 / 400) == (known.replies, known.prompt_ratio)
    assert 2 * (150 / 127.5 - 1) == pytest.approx(known.margin)
    assert (50 / 300, 40) == pytest.approx((known.completion_ratio, known.text_tokens))
    assert (2.0, 2.0, 2.0) == known.seconds


def test_a_stage_without_replies_uses_those_of_other_stages(calibrate):
    """The vocabulary is the same; the length of replies is not."""
    known = calibrate(*[answer(100, 120) for _ in range(3)])

    assert known.of("rank") is known.by_stage["rank"]
    assert (1.2, 0.0) == (known.of("recall").prompt_ratio, known.of("recall").completion_ratio)


def test_only_comparable_calls_count(calibrate):
    """No failed or retried calls, none without counts or of another model or endpoint."""
    others = [
        answer(100, 900, failure="timeout"),
        replace(answer(100, 900), usage=Usage(2, 900, 9, 0, 0, 100, 9)),
        replace(answer(100, 900), usage=Usage(1, None, None, None, None, 100, 9)),
        answer(100, 900, model="n"),
        answer(100, 900, endpoint="there"),
    ]

    known = calibrate(*[answer(100, 110) for _ in range(3)], *others * 3).by_stage["rank"]

    assert (3, 1.1) == (known.replies, known.prompt_ratio)


def test_repeated_questions_add_overhead(calibrate):
    """They do not count as first replies; their tokens add to the overhead."""
    known = calibrate(
        *[answer(100, 100, 50) for _ in range(4)], answer(250, 250, 50, again=True)
    ).by_stage["rank"]

    assert (4, 1.0) == (known.replies, known.prompt_ratio)
    assert 900 / 600 == pytest.approx(known.overhead)


def test_a_server_with_constant_counts_is_distrusted(calibrate):
    """One count for prompts of all sizes cannot be right; one size alone proves nothing."""
    assert "" == calibrate(*[answer(100, 10) for _ in range(3)]).distrusted
    known = calibrate(answer(900, 10))

    assert {} == known.by_stage
    assert known.of("rank") is None
    assert (
        "the server reports 10 prompt tokens whatever it is sent, 100 or 900; "
        "its counts are not used"
    ) == known.distrusted


def test_an_unreadable_log_gives_an_empty_calibration(tmp_path):
    """A plan works without a calibration."""
    (tmp_path / "text").write_text("dear diary")

    for path in (None, tmp_path / "missing", tmp_path / "text"):
        assert Calibration() == Calibration.read(path, "m", "here")
