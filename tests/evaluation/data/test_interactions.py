"""Who met what, read from files."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.evaluation.exams import rows_of
from unillmrec.errors import EvaluationError
from unillmrec.evaluation.data.interactions import read_interactions, sequences

TABLE = "user_id,item_id,timestamp,rating\nanna,b,20,5\nanna,a,10,2\nben,a,,\n"


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")
    return name


def told(found):
    pairs = zip(found.person, found.item, strict=True)
    return [(found.people[person], found.items[item]) for person, item in pairs]


def test_a_table_is_read_in_its_order():
    """Times and ratings that are not there are unknown."""
    found = read_interactions(write("met.csv", TABLE))

    assert [("anna", "b"), ("anna", "a"), ("ben", "a")] == told(found)
    np.testing.assert_equal([20, 10, np.nan], found.time)
    np.testing.assert_equal([5, 2, np.nan], found.rating)


def test_other_names_of_columns_are_known():
    """A review of a shop names its columns in its own way."""
    lines = [{"reviewerID": "anna", "asin": "b", "unixReviewTime": 20, "overall": 4.0}]
    found = read_interactions(write("met.jsonl", "\n".join(map(json.dumps, lines))))

    assert [("anna", "b")] == told(found)
    assert ([20.0], [4.0]) == (found.time.tolist(), found.rating.tolist())


def test_histories_are_read_in_their_order():
    """A line for each person; places in the list stand for times, and are known not to be any."""
    lines = ['{"id": "anna", "history": ["b", "a"]}', '{"id": "ben", "history": ["a"]}']
    found = read_interactions(write("people.jsonl", "\n".join(lines)))

    assert [("anna", "b"), ("anna", "a"), ("ben", "a")] == told(found)
    assert not found.has_times


def test_parquet_is_read():
    """As everywhere else."""
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
    ("text", "said"),
    [
        ("user_id,title\nanna,b\n", "there is no column 'item_id'"),
        ("user_id,item_id,timestamp\nanna,b,soon\n", "met.csv:2: 'soon' is no time"),
        ("user_id,item_id,rating\nanna,b,good\n", "met.csv:2: 'good' is no rating"),
        ("user_id,item_id\nanna,b\n,b\n", "met.csv:3: '' is no id"),
        ("user_id,item_id\nanna,b\nben\n", "met.csv:3: "),
        ("user_id,item_id\n", "it holds no interactions"),
        ("", "it is empty"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(text, said):
    """A mistake in a file is one clear sentence."""
    with pytest.raises(EvaluationError, match=said):
        read_interactions(write("met.csv", text))


def test_a_missing_file_is_told():
    """Not a word about what was written: nothing was to be."""
    with pytest.raises(EvaluationError, match="there is no such file") as told_of:
        read_interactions("met.csv")

    assert "written" not in str(told_of.value)


def test_a_sequence_is_in_order_of_time_and_then_of_the_file():
    """What was met twice was met first; what is not on the shelf does not count."""
    met = rows_of(
        ("anna", "c", 5), ("ben", "a", 1), ("anna", "a", 1), ("anna", "b", 5), ("anna", "a", 9),
        ("anna", "elsewhere", 3),
    )  # fmt: skip
    places = np.array([{"a": 0, "b": 1, "c": 2}.get(item, -1) for item in met.items])
    found = {met.people[person]: rows for person, rows in sequences(met, places)}

    assert ["a", "c", "b"] == [met.items[item] for item in met.item[found["anna"]]]
    assert [1] == found["ben"].tolist()


@pytest.mark.parametrize(("column", "said"), [("timestamp", "no time"), ("rating", "no rating")])
def test_a_number_of_hundreds_of_digits_is_none(column, said):
    """It is told like any other mistake."""
    line = {"user_id": "anna", "item_id": "a", column: int("1" * 400)}

    with pytest.raises(EvaluationError, match=said):
        read_interactions(write("met.jsonl", json.dumps(line)))


def test_a_column_that_the_first_line_lacks_is_read_where_it_is():
    """Lines of JSON need not have the same keys; a name that was found is kept to."""
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


def test_a_person_whom_the_first_history_lacks_is_read_where_it_is():
    """A history without an id is that of its line."""
    lines = ['{"history": ["a"]}', '{"id": "anna", "history": ["b"]}']
    found = read_interactions(write("people.jsonl", "\n".join(lines)))

    assert [("people.jsonl:1", "a"), ("anna", "b")] == told(found)


@pytest.mark.parametrize(("first", "times"), [(0, False), (1, False), (2, True)])
def test_places_in_a_sequence_are_no_times(first, times):
    """Whether they are counted from nought or from one."""
    met = rows_of(*((person, item, first + n) for person in "xy" for n, item in enumerate("abc")))

    assert times == met.has_times
