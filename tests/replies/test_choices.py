import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.replies.choices import ChoiceReading, read_interests, read_order, read_scores

COUNT = 5

# Answers of models, and the scored numbers in them for a list of five.
SCORED = [
    ('{"picks": [{"number": 3, "score": 80}, {"number": 1, "score": 35}]}', [(3, 80), (1, 35)]),
    ('{"picks": [{"number": 1, "score": 35}, {"number": 3, "score": 80}]}', [(3, 80), (1, 35)]),
    ('```json\n{"picks": [{"number": 3, "score": 80}]}\n```', [(3, 80)]),
    ('Sure! {"picks": [{"number": 3, "score": 80}]} Enjoy 2 of them.', [(3, 80)]),
    ('{"result": {"picks": [{"number": 3, "score": 80}]}}', [(3, 80)]),
    ("{'picks': [{'number': 3, 'score': 80,},]}", [(3, 80)]),
    ("{picks: [{number: 3, score: 80}]}", [(3, 80)]),
    ("{“picks”: [{“number”: 3, “score”: 80}]}", [(3, 80)]),
    ('{"number": 3, "score": 80}\n{"number": 1, "score": 90}', [(1, 90), (3, 80)]),
    ('{"3": 80, "1": 90}', [(1, 90), (3, 80)]),
    ("3: 80\n1: 60", [(3, 80), (1, 60)]),
    ("3: 80, 1: 60", [(3, 80), (1, 60)]),
    ("Here you are:\n- 3 (80%)\n- 1 (60%)\nEnjoy!", [(3, 80), (1, 60)]),
    ("Here you are:\n* **3**: 80\n* **1**: 60", [(3, 80), (1, 60)]),
    ("[3] - 80/100\n[1] - 60/100", [(3, 80), (1, 60)]),
    ("Item 3 = 80; item 1 = 60", [(3, 80), (1, 60)]),
    ("| 3 | 80 |\n| 1 | 60 |", [(3, 80), (1, 60)]),
    ("1. 3 (80)\n2. 1 (60)", [(3, 80), (1, 60)]),
    ("3: -5", [(3, 0)]),
]
# The same, with scores that follow from the positions.
PLACED = [
    ("1. 3, 2. 1", [3, 1]),
    ("1) 3\n2) 1", [3, 1]),
    ("[2] > [1]", [2, 1]),
    ("2 > 1 > 3", [2, 1, 3]),
    ("There are 3 good ones: [2] > [1]", [2, 1]),
    ('{"picks": [3, 1]}', [3, 1]),
    ('{"picks": "3, 1"}', [3, 1]),
    ('{"order": [3, 1]}', [3, 1]),
    ('{"picks": {"number": 3}}', [3]),
    ('{"picks": ["3", "#1", "[2]", "4. Solaris"]}', [3, 1, 2, 4]),
    ("[3, 1]", [3, 1]),
    ("```\n[3, 1]\n```", [3, 1]),
    ("My choice is [3] and then [1].", [3, 1]),
    ("3, 1", [3, 1]),
    ("3 1\n2", [3, 1, 2]),
    ("- 3\n- 1", [3, 1]),
    ("3", [3]),
    ("\uff13\uff0c\uff11", [3, 1]),
    ("\uff3b\uff13\uff3d \uff1e \uff3b\uff11\uff3d", [3, 1]),
    ('{"picks": [٣, \u0661]}', [3, 1]),
    ('{"picks": [3.0, 1]}', [3, 1]),
]
UNUSABLE = [
    "",
    "   \n",
    "There are 3 good ones.",
    "I would take 3 and 1 of them.",
    "I am sorry, but I cannot help with that. 2 of them are unsafe.",
    "1. Dune\n2. Solaris",
    "<!DOCTYPE html><html><body>[3] > [1]</body></html>",
    '{"picks": [',
    '{"picks": null}',
    '{"error": "no"}',
    "②",
    "3.5",
    '{"picks": [3.5, true, "three", null, {}]}',
    "<think>1, 2 or 3? [4] perhaps",
]


@pytest.mark.parametrize(("text", "expected"), SCORED)
def test_reads_scores_in_many_forms(text, expected):
    """A number and its score are found in any notation."""
    reading = read_scores(text, COUNT)

    assert ChoiceReading(tuple(expected), invented=0, repeated=0, usable=True) == reading


@pytest.mark.parametrize(("text", "expected"), PLACED)
def test_reads_an_order_in_many_forms(text, expected):
    """Without scores, the first position gets a hundred and the others less."""
    reading = read_scores(text, COUNT)

    assert expected == [number for number, _ in reading.scores]
    assert 100 == reading.scores[0][1]
    assert (0, 0, True) == (reading.invented, reading.repeated, reading.usable)
    assert reading == read_order(text, COUNT)


@pytest.mark.parametrize("text", UNUSABLE)
def test_a_text_without_choices_is_not_usable(text):
    """A number in prose is no choice."""
    assert ((), False) == (read_scores(text, COUNT).scores, read_scores(text, COUNT).usable)
    assert ((), False) == (read_order(text, COUNT).scores, read_order(text, COUNT).usable)


@pytest.mark.parametrize(
    ("text", "numbers", "invented", "repeated"),
    [
        ('{"picks": [{"number": 9}, {"number": 2}, {"number": 2}]}', [2], 1, 1),
        ('{"picks": [0, -1, 6, 5]}', [5], 3, 0),
        ('{"picks": [true, 3.0, 3.5, "x", null, 3]}', [3], 4, 1),
        ('{"picks": [{"title": "Dune"}, {"number": 4}]}', [4], 1, 0),
        ('{"picks": [99999999999999999999, 1e400, 2]}', [2], 2, 0),
        ("[7] > [2] > [2]", [2], 1, 1),
        ("-3, 2", [2], 1, 0),
    ],
)
def test_counts_invalid_numbers(text, numbers, invented, repeated):
    """Numbers that are not on the list, and those named twice, are dropped and counted."""
    reading = read_order(text, COUNT)

    assert numbers == [number for number, _ in reading.scores]
    assert (invented, repeated) == (reading.invented, reading.repeated)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<think>{"picks": [5]}</think>{"picks": [3]}', [3]),
        ('5 > 4, or not?</think>\n{"picks": [3]}', [3]),
        ("<think>5 > 4?</think>[3] > [1]", [3, 1]),
        ('{"picks": [3]}<think>or rather {"picks": [5]}', [3]),
        ('<think>so the answer is {"picks": [3]}', [3]),
        ('{"picks": [3]}</think>', [3]),
        ('<|channel|>analysis<|message|>[5]<|channel|>final<|message|>{"picks": [3]}', [3]),
    ],
)
def test_prefers_the_answer_to_the_reasoning(text, expected):
    """Reasoning is parsed only if there is no answer, and only for JSON in the requested format."""
    assert expected == [number for number, _ in read_scores(text, COUNT).scores]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"picks": [1]} No, wait: {"picks": [2]}', [2]),
        ('{"picks": [1]} No, wait: {"picks": [2], ', [1]),
        ('{"picks": [1]} {"picks": []}', [1]),
        ('Form: {"picks": []}. {"picks": [2]}', [2]),
        ('{I think {"picks": [2]}', [2]),
        ('See [5]. {"picks": [2]}', [2]),
    ],
)
def test_takes_the_last_complete_answer_of_several(text, expected):
    """Of several answers, the last complete one that is not empty counts."""
    assert expected == [number for number, _ in read_scores(text, COUNT).scores]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"picks": [{"number": 3, "score": 80}, {"number": 1, "sc', [(3, 80), (1, 50)]),
        ('{"picks": [{"number": 3, "score": 80}, {"number": 1', [(3, 80)]),
        ('{"picks": [{"number": 3, "score": 80}, {"num', [(3, 80)]),
        ('{"picks": [{"number": 3, "score": 80}]', [(3, 80)]),
        ('{"order": [3, 1', [(3, 100)]),
    ],
)
def test_keeps_the_complete_parts_of_a_truncated_answer(text, expected):
    """Its last number may lack digits, and does not count."""
    assert tuple(expected) == read_scores(text, COUNT).scores


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([500, -3], [100, 0]),
        ([0.9, 0.5], [90, 50]),
        ([1, 0], [1, 0]),
        (["80%", "60/100"], [80, 60]),
        ([79.6, 1e300], [100, 80]),
        ([True, None], [100, 50]),
        ([30, None], [30, 30]),
    ],
)
def test_scores_are_between_0_and_100(scores, expected):
    """They are clamped and rounded; a missing one follows from the position."""
    picks = [{"number": n, "score": score} for n, score in enumerate(scores, start=1)]

    reading = read_scores(json.dumps({"picks": picks}), COUNT)

    assert expected == [score for _, score in reading.scores]


def test_an_empty_list_of_scores_is_usable_and_an_empty_order_is_not():
    """A model may say that nothing fits; it may not leave everything unordered."""
    assert read_scores('{"picks": []}', COUNT).usable
    assert not read_order('{"order": []}', COUNT).usable


def test_an_order_ignores_scores():
    """A ranking keeps the model's positions."""
    text = '{"order": [{"number": 2, "score": 1}, {"number": 1, "score": 99}]}'

    assert ((2, 100), (1, 50)) == read_order(text, COUNT).scores


INTERESTS = [
    (
        '{"interests": [{"interest": "slow films", "weight": 30}, '
        '{"interest": "islands", "weight": 10}]}',
        [("slow films", 0.75), ("islands", 0.25)],
    ),
    (
        '{"interests": [{"interest": "a", "weight": 1}, {"interest": "b", "weight": 3}]}',
        [("b", 0.75), ("a", 0.25)],
    ),
    ('{"interests": {"slow films": 3, "islands": 1}}', [("slow films", 0.75), ("islands", 0.25)]),
    (
        '{"interests": [{"slow films": 3}, {"islands": 1}]}',
        [("slow films", 0.75), ("islands", 0.25)],
    ),
    ('["slow films", "islands"]', [("slow films", 2 / 3), ("islands", 1 / 3)]),
    ('["slow films (60%)", "islands: 20%"]', [("slow films", 0.75), ("islands", 0.25)]),
    ("1. **Slow films** (60%)\n2. Islands: 20%", [("Slow films", 0.75), ("Islands", 0.25)]),
    ("They like:\n- slow films\n- islands\nEnjoy!", [("slow films", 2 / 3), ("islands", 1 / 3)]),
    ("Slow films: 60%\nIslands: 20%", [("Slow films", 0.75), ("Islands", 0.25)]),
    (
        '{"interests": [{"interest": "a", "weight": "30%"}, {"interest": "b"}, '
        '{"interest": "c", "weight": 10}]}',
        [("a", 0.6), ("b", 0.2), ("c", 0.2)],
    ),
    (
        '{"interests": [{"interest": "a", "weight": 5}, {"interest": "b", "weight": 0}]}',
        [("a", 1.0)],
    ),
    (
        '{"interests": [{"interest": "a", "weight": 0}, {"interest": "b", "weight": 0}]}',
        [("a", 2 / 3), ("b", 1 / 3)],
    ),
    ('{"interests": [{"interest": "Films"}, {"interest": "films"}]}', [("Films", 1.0)]),
    ('{"interests": [{"interest": "films", "weight": 5}, {"interest": "isl', [("films", 1.0)]),
    ('{"interests": ["the “slow” one", "```", ""]}', [("the “slow” one", 1.0)]),
    ('<think>{"interests": ["no"]}</think>{"interests": ["yes"]}', [("yes", 1.0)]),
    ("", []),
    ("I am sorry, I cannot help with that.", []),
    ("<html><body>\n- a\n</body></html>", []),
    ('{"error": "no"}', []),
    ('{"interests": []}', []),
]


@pytest.mark.parametrize(("text", "expected"), INTERESTS)
def test_reads_interests_in_many_forms(text, expected):
    """The heaviest comes first, and the weights sum to one."""
    found = read_interests(text)

    assert [name for name, _ in expected] == [name for name, _ in found]
    assert pytest.approx([weight for _, weight in expected]) == [weight for _, weight in found]


def test_limits_the_number_and_length_of_interests():
    """A model may list a hundred interests, or write a novel."""
    text = json.dumps({"interests": [f"{number} " + "word " * 100 for number in range(100)]})

    found = read_interests(text)

    assert 8 == len(found)
    assert 160 >= max(len(name) for name, _ in found)


def _is_valid(reading, count):
    numbers = [number for number, _ in reading.scores]
    scores = [score for _, score in reading.scores]
    return (
        len(numbers) == len(set(numbers))
        and all(1 <= number <= count for number in numbers)
        and all(0 <= score <= 100 for score in scores)
        and scores == sorted(scores, reverse=True)
        and min(reading.invented, reading.repeated) >= 0
        and (reading.usable or not numbers)
    )


def _check(text, count):
    assert _is_valid(read_scores(text, count), count)
    assert _is_valid(read_order(text, count), count)
    interests = read_interests(text)
    assert len(interests) <= 8
    assert not interests or sum(weight for _, weight in interests) == pytest.approx(1)
    assert all(weight > 0 and name.strip() == name != "" for name, weight in interests)


PIECES = [
    *"[]{}:,\"'\\ \n.>-%#*()`",
    *("1", "2", "7", "80", "3.0", "0.5", "1e400", "-1", "9" * 30, "\uff13", "true", "null"),
    *('"picks"', '"order"', '"interests"', '"number"', '"score"', '"interest"', '"weight"'),
    *("<think>", "</think>", "```json\n", "1. ", "- ", '{"picks": [', "]}", "\0", "\ud800", "é"),
]


@given(st.binary(max_size=300), st.integers(0, 9))
def test_any_bytes_give_a_valid_reading(content, count):
    """Only numbers of the list come out, each of them once."""
    _check(content.decode("latin-1"), count)


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.integers(0, 9))
def test_any_mix_of_pieces_gives_a_valid_reading(pieces, count):
    """The same for texts that resemble answers."""
    _check("".join(pieces), count)


@given(st.data())
def test_any_damage_to_an_answer_gives_a_valid_reading(data):
    """The same for answers with pieces removed, inserted, and cut off."""
    text = data.draw(st.sampled_from([text for text, _ in SCORED + PLACED + INTERESTS]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 5)))
        text = text[:start] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]

    _check(text, COUNT)


@given(st.permutations(range(1, 21)), st.integers(1, 20))
def test_a_valid_order_is_read_unchanged(order, length):
    """A good answer loses nothing."""
    numbers = order[:length]

    reading = read_order(json.dumps({"order": numbers}), 20)

    assert numbers == [number for number, _ in reading.scores]
    assert (0, 0, True) == (reading.invented, reading.repeated, reading.usable)


MORE_PIECES = ('["', "[1,", "1 ", "- a\n", "\\", "[1]", "\uff19", " ", "```\n")
MORE_PIECES += ('{"picks":[', "('", "a", "\u20ac")


@pytest.mark.parametrize(
    "piece",
    [
        *("[", '{"a":', "1>", "3: 80\n", '"', "<think>", '{"picks":[1]}', "*"),
        *(pytest.param(each, marks=pytest.mark.slow) for each in MORE_PIECES),
    ],
)
def test_five_megabytes_of_anything_are_read_in_linear_time(piece):
    """No part of a text is scanned twice, so hostile texts take no longer."""
    text = (piece * (5_000_000 // len(piece) + 1))[:5_000_000]

    started = time.process_time()
    _check(text, COUNT)

    assert 3 > time.process_time() - started


def test_an_answer_before_megabytes_of_white_space_is_found():
    """Some servers pad a truncated JSON answer with white space."""
    text = '{"picks": [{"number": 3, "score": 80}]}' + " \n" * 2_000_000

    assert ((3, 80),) == read_scores(text, COUNT).scores
