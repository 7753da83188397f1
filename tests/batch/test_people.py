"""Files of people, and what is said of a row that cannot be used."""

import gzip

import pytest

from unillmrec.batch import PeopleFile
from unillmrec.errors import PersonError
from unillmrec.stages import Person


def entries(path):
    return list(PeopleFile(path).entries())


def test_a_row_is_a_person(people):
    """An id, and a history, a sentence or a profile."""
    path = people(
        [
            {"id": "a", "history": ["x", 7]},
            {"user_id": 3, "like": "ships"},
            {"id": "c", "profile": "likes ships", "history": [{"item_id": "y"}]},
        ]
    )

    found = entries(path)

    assert [1, 2, 3] == [each.line for each in found]
    assert ["a", "3", "c"] == [each.id for each in found]
    assert [
        Person(("x", "7")),
        Person(like="ships"),
        Person(("y",), profile="likes ships"),
    ] == [each.person for each in found]


def test_tables_hold_histories_too(tmp_path):
    """With commas between the ids, or as a JSON list; packed or not."""
    table = 'id,history\na,"x, y"\nb,"[""p,q"", ""r""]"\n'
    (tmp_path / "people.csv").write_text(table, encoding="utf-8")
    (tmp_path / "people.csv.gz").write_bytes(gzip.compress(table.encode()))

    for name in ("people.csv", "people.csv.gz"):
        found = entries(tmp_path / name)

        assert [("x", "y"), ("p,q", "r")] == [each.person.history for each in found]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "bad JSON"),
        ('{"history": ["x"]}', "there is no field 'id'"),
        ('{"id": "", "like": "ships"}', "'' is no id"),
        ('{"id": true, "like": "ships"}', "True is no id"),
        (r'{"id": "a\u0000b", "like": "ships"}', r"'a\x00b' is no id"),
        (r'{"id": "x\ud800", "like": "ships"}', r"'x\ud800' is no id"),
        ('{"id": "a"}', "there is no history, no like and no profile"),
        ('{"id": "a", "history": []}', "there is no history, no like and no profile"),
        ('{"id": "a", "like": "  "}', "nothing is known about the person"),
        ('{"id": "a", "like": 3}', "the field 'like' is no text: 3"),
        ('{"id": "a", "history": {"x": 1}}', "the history is no list of item ids"),
        ('{"id": "a", "history": [null]}', "None in the history is no item id"),
    ],
)
def test_a_bad_row_says_what_is_wrong(people, row, problem):
    """It stands beside the good ones, under its line."""
    good, bad = entries(people(['{"id": "good", "like": "ships"}', row]))

    assert good.person
    assert bad.person is None
    assert 2 == bad.line
    assert problem in bad.problem


def test_a_file_that_is_not_there(tmp_path):
    """It is said in words."""
    with pytest.raises(PersonError, match="cannot be read: No such file"):
        PeopleFile(tmp_path / "nobody.jsonl").fingerprint()


def test_the_fingerprint_changes_with_the_file(people):
    """And the number of rows comes with it."""
    first = PeopleFile(people([{"id": "a", "like": "x"}])).fingerprint()
    second = PeopleFile(people([{"id": "a", "like": "x"}, {"id": "b", "like": "y"}])).fingerprint()

    assert first[0] != second[0]
    assert (1, 2) == (first[1], second[1])
