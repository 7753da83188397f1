"""Interactions read from files."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.scripted import rows_of
from unillmrec.errors import PersonError
from unillmrec.people.interactions import read_interactions, sequences

TABLE = "user_id,item_id,timestamp,rating\nanna,b,20,5\nanna,a,10,2\nben,a,,\n"


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def pairs_of(found):
    pairs = zip(found.person, found.item, strict=True)
    return [(found.people[person], found.items[item]) for person, item in pairs]


def test_a_table_is_read_in_its_order():
    """Missing times and ratings are NaN."""
    found = read_interactions(write("met.csv", TABLE))

    assert [("anna", "b"), ("anna", "a"), ("ben", "a")] == pairs_of(found)
    np.testing.assert_equal([20, 10, np.nan], found.time)
    np.testing.assert_equal([5, 2, np.nan], found.rating)


def test_common_column_names_are_recognised():
    """Review data sets name the same columns differently."""
    lines = [{"reviewerID": "anna", "asin": "b", "unixReviewTime": 20, "overall": 4.0}]
    found = read_interactions(write("met.jsonl", "\n".join(map(json.dumps, lines))))

    assert [("anna", "b")] == pairs_of(found)
    assert ([20.0], [4.0]) == (found.time.tolist(), found.rating.tolist())


def test_histories_are_read_in_their_order():
    """One line per person; positions in the list are not taken for times."""
    lines = ['{"id": "anna", "history": ["b", "a"]}', '{"id": "ben", "history": ["a"]}']
    found = read_interactions(write("people.jsonl", "\n".join(lines)))

    assert [("anna", "b"), ("anna", "a"), ("ben", "a")] == pairs_of(found)
    assert not found.has_times


def test_parquet_is_read():
    """Parquet works as in the catalog reader."""
    import pyarrow
    from pyarrow import parquet

    columns = {"user_id": ["anna", "anna"], "item_id": ["a", "b"], "timestamp": [2.0, 1.0]}
    parquet.write_table(pyarrow.table(columns), "met.parquet")

    assert [2.0, 1.0] == read_interactions("met.parquet").time.tolist()


@pytest.mark.parametrize(
    ("time", "seconds"),
    [("86400", 86_400), ("1970-01-02", 86_400), ("1970-01-02T00:00:00+01:00", 82_800)],
)
def test_times_are_numbers_or_dates(time, seconds):
    """A date without a zone is in UTC."""
    found = read_interactions(write("met.csv", f"user_id,item_id,date\nanna,a,{time}\n"))

    assert [seconds] == found.time.tolist()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("user_id,title\nanna,b\n", "there is no column 'item_id'"),
        ("user_id,item_id,timestamp\nanna,b,soon\n", "met.csv:2: 'soon' is not a time"),
        ("user_id,item_id,rating\nanna,b,good\n", "met.csv:2: 'good' is not a rating"),
        ("user_id,item_id\nanna,b\n,b\n", "met.csv:3: '' is not an id"),
        ("user_id,item_id\nanna,b\nben\n", "met.csv:3: "),
        ("user_id,item_id\n", "it contains no interactions"),
        ("", "it is empty"),
    ],
)
def test_an_unusable_row_is_an_error_with_its_place(text, problem):
    """The message names the file, the line and the problem."""
    with pytest.raises(PersonError, match=problem):
        read_interactions(write("met.csv", text))


def test_a_missing_file_is_an_error():
    """The message does not say that nothing was written: nothing was going to be."""
    with pytest.raises(PersonError, match="there is no such file") as raised:
        read_interactions("met.csv")

    assert "written" not in str(raised.value)


def test_a_sequence_is_in_order_of_time_and_then_of_the_file():
    """The first of repeated interactions counts; items outside the catalog do not."""
    met = rows_of(
        ("anna", "c", 5), ("ben", "a", 1), ("anna", "a", 1), ("anna", "b", 5), ("anna", "a", 9),
        ("anna", "elsewhere", 3),
    )  # fmt: skip
    positions = np.array([{"a": 0, "b": 1, "c": 2}.get(item, -1) for item in met.items])
    found = {met.people[person]: rows for person, rows in sequences(met, positions)}

    assert ["a", "c", "b"] == [met.items[item] for item in met.item[found["anna"]]]
    assert [1] == found["ben"].tolist()


@pytest.mark.parametrize(
    ("column", "problem"), [("timestamp", "not a time"), ("rating", "not a rating")]
)
def test_a_number_of_hundreds_of_digits_is_an_error(column, problem):
    """It is reported like any other mistake."""
    line = {"user_id": "anna", "item_id": "a", column: int("1" * 400)}

    with pytest.raises(PersonError, match=problem):
        read_interactions(write("met.jsonl", json.dumps(line)))


def test_a_column_missing_from_the_first_line_is_read_in_later_ones():
    """JSON objects need not have the same keys; the first name found for a column wins."""
    lines = [
        {"user_id": "anna", "item_id": "a"},
        {"user_id": "anna", "item_id": "b", "Timestamp": 30, "rating": 4},
        {"rating": 5, "item_id": "c", "user_id": "anna"},
        {"user_id": "anna", "item_id": "d", "date": 10},
        {"user_id": "anna", "item_id": "e", "time": 7, "date": 20},
    ]
    found = read_interactions(write("met.jsonl", "\n".join(map(json.dumps, lines))))

    np.testing.assert_equal([np.nan, 30, np.nan, 10, 20], found.time)
    np.testing.assert_equal([np.nan, 4, 5, np.nan, np.nan], found.rating)


def test_a_person_missing_from_the_first_history_is_read_in_later_ones():
    """A history without an id is named after its line."""
    lines = ['{"history": ["a"]}', '{"id": "anna", "history": ["b"]}']
    found = read_interactions(write("people.jsonl", "\n".join(lines)))

    assert [("people.jsonl:1", "a"), ("anna", "b")] == pairs_of(found)


@pytest.mark.parametrize(("first", "times"), [(0, False), (1, False), (2, True)])
def test_positions_in_a_sequence_are_not_times(first, times):
    """Positions may start at zero or one."""
    met = rows_of(*((person, item, first + n) for person in "xy" for n, item in enumerate("abc")))

    assert times == met.has_times
