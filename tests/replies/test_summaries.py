import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.replies.summaries import LONGEST_SUMMARY, read_summaries

SEA, SPACE, CRIME = "ships and storms", "rockets and orbits", "alibis and poison"
ALL = ((1, SEA), (2, SPACE), (3, CRIME))
OBJECTS = [
    {"number": 1, "summary": SEA},
    {"number": 2, "summary": SPACE},
    {"number": 3, "summary": CRIME},
]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"descriptions": OBJECTS}),
        "Sure!\n```json\n" + json.dumps({"descriptions": OBJECTS}, indent=2) + "\n```\nDone.",
        json.dumps({"summaries": OBJECTS}),
        json.dumps(OBJECTS),
        json.dumps({"Descriptions": {"1": SEA, "2": SPACE, "3": CRIME}}),
        json.dumps({"1": {"summary": SEA}, "2": {"summary": SPACE}, "3": {"summary": CRIME}}),
        json.dumps({"descriptions": [SEA, SPACE, CRIME]}),
        json.dumps({"descriptions": [{"summary": SEA}, {"line": SPACE}, {"text": CRIME}]}),
        json.dumps({"descriptions": [f"3. {CRIME}", f"1: {SEA}", f"2) {SPACE}"]}),
        str({"descriptions": OBJECTS}),
        f"1. {SEA}\n2. {SPACE}\n3. {CRIME}",
        f"Here they are:\n- **1**: {SEA}\n- **2**: {SPACE}\n- **3**: {CRIME}\nGood luck",
        f"Branch 1: {SEA}\nBranch 2 - {SPACE}\n[3] {CRIME}",
        f"<think>Hm.</think>1. {SEA}\n2. {SPACE}\n3. {CRIME}",
        "<think>" + json.dumps({"descriptions": OBJECTS}) + "</think>",
        json.dumps({"descriptions": [{"id": "#2", "summary": SPACE}, *OBJECTS]}),
    ],
)
def test_reads_every_format_that_models_write(text):
    """Objects, maps, lists and lines, fenced or not: the same three descriptions."""
    assert ALL == read_summaries(text, 3).summaries


def test_keeps_the_complete_parts_of_a_truncated_answer():
    """Complete descriptions count."""
    text = json.dumps({"descriptions": OBJECTS})

    reading = read_summaries(text[: text.index("alibis")], 3)

    assert (ALL[:2], True) == (reading.summaries, reading.usable)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (f"1. {SEA}", SEA),
        (f"[1] {SEA}", SEA),
        (f"**{SEA}**.", SEA),
        (f'"{SEA}"', SEA),
        (f"{SEA} (1,234)", SEA),
        (f"{SEA} (50 items).", SEA),
        ("ships\nand\tstorms", SEA),
        ("ships\u202e and storms\x00", SEA),
        ("1984 and other futures", "1984 and other futures"),
        ("12. Ships of 1850", "12 Ships of 1850"),
        ("Römische Geschichte", "Römische Geschichte"),
        ("科幻小说", "科幻小说"),
    ],
)
def test_a_line_is_cleaned(written, kept):
    """Its own number, its size, quotes and invisible characters are removed; other numbers stay."""
    text = json.dumps({"descriptions": [{"number": 1, "summary": written}]})

    assert ((1, kept),) == read_summaries(text, 3).summaries


def test_counts_invalid_lines():
    """A number that is not on the list, a repeated number, and a repeated line."""
    wrong = [{"number": 9, "summary": "x"}, {"number": 1, "summary": "again"}]
    same = [{"number": 3, "summary": SPACE.upper()}]
    text = json.dumps({"descriptions": [*OBJECTS[:2], *wrong, *same]})

    reading = read_summaries(text, 3)

    assert (ALL[:2], 1, 2) == (reading.summaries, reading.invented, reading.repeated)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot help with that.",
        "12 angry men\nIn 1984 a book",
        '{"descriptions": []}',
        '{"descriptions": [{"number": 1, "summary": ""}, {"number": 2, "summary": "…"}]}',
        '{"descriptions": [{"number": 1}]}',
        '{"descriptions": ["only", "two"]}',
        "<!DOCTYPE html><html>1. Bad gateway</html>",
        "null",
    ],
)
def test_a_text_without_descriptions_is_not_usable(text):
    """At least one line must belong to a number of the list."""
    reading = read_summaries(text, 3)

    assert ((), False) == (reading.summaries, reading.usable)


@given(
    text=st.text(max_size=400)
    | st.builds(
        json.dumps,
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=4)
                | st.dictionaries(
                    st.sampled_from(["descriptions", "number", "summary", "1", "2"]), inner
                )
            ),
            max_leaves=20,
        ),
    )
)
def test_any_text_is_read(text):
    """The result holds only numbers of the list, once each, with short lines."""
    reading = read_summaries(text, 3)

    numbers = [number for number, _ in reading.summaries]
    lines = [line.casefold() for _, line in reading.summaries]
    assert sorted(set(numbers)) == numbers
    assert set(numbers) <= {1, 2, 3}
    assert len(set(lines)) == len(lines)
    assert all(line.strip() and "\n" not in line for line in lines)
    assert all(len(line) <= LONGEST_SUMMARY for _, line in reading.summaries)


@pytest.mark.parametrize("text", ["1. " * 200_000, "[" * 200_000, '{"1":' * 50_000, "\t" * 400_000])
def test_hostile_texts_are_read_in_linear_time(text):
    """No pattern causes backtracking."""
    import time

    started = time.process_time()
    read_summaries(text, 3)

    assert time.process_time() - started < 2
