import random

import pytest

from unillmrec.replies.uninformative import (
    Answer,
    AnswerStreaks,
    find_pattern,
    find_profile_pattern,
)

EXAMPLE = ((3, 80), (1, 35))
EXAMPLE_ORDER = ((3, 100), (1, 67), (2, 33))


def falling(*numbers):
    return tuple((number, 100 - 3 * place) for place, number in enumerate(numbers))


def even(count, score=50):
    return tuple((number, score) for number in range(1, count + 1))


@pytest.mark.parametrize(
    ("pattern", "scores", "count"),
    [
        # As real small models answered.
        ("example", even(31, 35), 31),
        ("example", ((1, 80), (2, 35)), 31),
        ("example", ((1, 80), (3, 55), (2, 80)), 72),
        ("list order", falling(*range(1, 32)), 31),
        ("list order", falling(1, 2, 3), 31),
        ("one score", even(4), 4),
        ("one score", even(3, 90), 31),
        # As an honest one may answer.
        ("", (), 31),
        ("", even(31, 0), 31),
        ("", even(3), 3),
        ("", even(4, 5), 4),
        ("", falling(1, 2, 3), 3),
        ("", falling(1), 31),
        ("", ((4, 80), (9, 80), (12, 80), (13, 80), (20, 80)), 31),
        ("", ((12, 80), (7, 35)), 31),
        ("", ((3, 80), (1, 35)), 4),
        ("", falling(4, 9, 12, 20, 25), 31),
        ("", falling(9, 1, 2, 3, 4, 5, 6, 7, 8), 9),
    ],
)
def test_finds_what_the_prompt_shows(pattern, scores, count):
    """Copies are found; an answer that any person could get is not."""
    example = ((3, 80), (1, 55)) if count == 72 else EXAMPLE

    assert pattern == find_pattern(Answer(scores, count, example=example))


@pytest.mark.parametrize(
    ("pattern", "numbers", "count"),
    [
        ("list order", range(1, 31), 30),
        ("example", (3, 1, 2), 30),
        ("example", (3, 1, 2, *range(4, 31)), 30),
        ("", (3, 1, 2), 4),
        ("", (1, 2, 3, 4), 4),
        ("", (5, 1, 3, 2, 4, 7, 6), 7),
    ],
)
def test_finds_orders_that_the_prompt_shows(pattern, numbers, count):
    """An order has no scores of its own, only positions."""
    answer = Answer(falling(*numbers), count, is_order=True, example=EXAMPLE_ORDER)

    assert pattern == find_pattern(answer)


def test_a_list_shown_best_first_may_keep_its_order():
    """Leaving a good list as it is is an answer."""
    numbers = range(1, 11)

    assert not find_pattern(Answer(falling(*numbers), 20, is_order=True, is_sorted=True))


@pytest.mark.parametrize("count", [3, 6, 8, 20, 31, 72])
def test_random_answers_fit_a_pattern_less_than_once_in_a_thousand(count):
    """The chances that the rule computes hold."""
    chance = random.Random(count)
    found = 0
    for _ in range(5_000):
        numbers = chance.sample(range(1, count + 1), chance.randint(1, count))
        scores = sorted((chance.randrange(0, 101, 10) for _ in numbers), reverse=True)
        answer = Answer(tuple(zip(numbers, scores, strict=True)), count, example=EXAMPLE)
        found += bool(find_pattern(answer))

    assert found <= 5


@pytest.mark.parametrize(
    ("interests", "reply", "pattern"),
    [
        (["Slow science fiction about first contact", "Films"], "", "example"),
        (["drama"], '{"interests": [' + '{"interest": "Drama"}, ' * 30, "loop"),
        (["island memoirs"], "", "example"),
        (["island memoirs", "whaling"], "", ""),
        (["war films"], '{"interest": "war films"}', ""),
        ([], "", ""),
    ],
)
def test_finds_copied_phrases(interests, reply, pattern):
    """A long phrase of the example is enough; a short one can be the person's own."""
    example = ["slow science fiction about first contact", "island memoirs"]

    assert pattern == find_profile_pattern(interests, example, reply)


@pytest.mark.parametrize(
    ("pattern", "scores", "count", "needed"),
    [
        ("list order", falling(1, 2, 3, 4), 4, 3),
        ("one score", even(2), 2, 4),
        ("nothing", (), 9, 7),
        ("repeated", ((2, 90), (1, 70), (4, 40)), 9, 2),
        ("repeated", ((5, 100), (1, 0.5), (2, 0.1)), 9, 6),
    ],
)
def test_the_chances_of_answers_in_a_row_are_multiplied(pattern, scores, count, needed):
    """A pattern that one answer does not prove is proven by several."""
    streaks = AnswerStreaks()
    keys = [range(start, start + count) for start in range(0, 900, 9)]

    found = [streaks.find(keys[n], Answer(scores, count)) for n in range(needed)]

    assert [*[""] * (needed - 1), pattern] == found


def test_an_answer_of_its_own_ends_a_streak():
    """Nothing is held against a model that looks at the choices now and then."""
    streaks = AnswerStreaks()
    for start in range(20):
        scores = falling(1, 2, 3, 4) if start % 2 else falling(3, 1, 4, 2)
        assert not streaks.find([start, 50], Answer(scores, 4))


def test_the_same_question_may_get_the_same_answer():
    """Repetition counts only where the choices are other ones."""
    streaks = AnswerStreaks()

    assert not any(streaks.find([1, 2, 3], Answer(((2, 90), (3, 5)), 3)) for _ in range(9))
