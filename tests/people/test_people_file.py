"""Files of people, and the problems reported for unusable rows."""

import gzip

import pytest

from unillmrec.errors import PersonError
from unillmrec.people.people_file import PeopleFile
from unillmrec.stages import Person


def rows(path):
    return list(PeopleFile(path).rows())


def test_a_row_is_a_person(people):
    """A row has an id, and a history, a sentence or a profile."""
    path = people(
        [
            {"id": "a", "history": ["x", 7]},
            {"user_id": 3, "like": "ships"},
            {"id": "c", "profile": "likes ships", "history": [{"item_id": "y"}]},
        ]
    )

    found = rows(path)

    assert [1, 2, 3] == [each.line for each in found]
    assert ["a", "3", "c"] == [each.id for each in found]
    assert [
        Person(("x", "7")),
        Person(like="ships"),
        Person(("y",), profile="likes ships"),
    ] == [each.person for each in found]


def test_histories_are_read_from_tables(tmp_path):
    """Ids are separated by commas or are a JSON list; the file may be gzipped."""
    table = 'id,history\na,"x, y"\nb,"[""p,q"", ""r""]"\n'
    (tmp_path / "people.csv").write_text(table, encoding="utf-8")
    (tmp_path / "people.csv.gz").write_bytes(gzip.compress(table.encode()))

    for name in ("people.csv", "people.csv.gz"):
        found = rows(tmp_path / name)

        assert [("x", "y"), ("p,q", "r")] == [each.person.history for each in found]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("{", "bad JSON"),
        ('{"history": ["x"]}', "there is no field 'id'"),
        ('{"id": "", "like": "ships"}', "'' is not an id"),
        ('{"id": true, "like": "ships"}', "True is not an id"),
        (r'{"id": "a\u0000b", "like": "ships"}', r"'a\x00b' is not an id"),
        (r'{"id": "x\ud800", "like": "ships"}', r"'x\ud800' is not an id"),
        ('{"id": "a"}', "there is no history, no like and no profile"),
        ('{"id": "a", "history": []}', "there is no history, no like and no profile"),
        ('{"id": "a", "like": "  "}', "nothing is known about the person"),
        ('{"id": "a", "like": 3}', "the field 'like' is not text: 3"),
        ('{"id": "a", "history": {"x": 1}}', "the history is not a list of item ids"),
        ('{"id": "a", "history": [null]}', "None is not an item id"),
    ],
)
def test_a_bad_row_has_a_problem(people, row, problem):
    """It is returned beside the good rows, with its line."""
    good, bad = rows(people(['{"id": "good", "like": "ships"}', row]))

    assert good.person
    assert bad.person is None
    assert 2 == bad.line
    assert problem in bad.problem


def test_a_missing_file_is_an_error(tmp_path):
    """The message says so."""
    with pytest.raises(PersonError, match="cannot be read: No such file"):
        PeopleFile(tmp_path / "nobody.jsonl").fingerprint()


def test_the_fingerprint_changes_with_the_file(people):
    """The number of rows is returned with it."""
    first = PeopleFile(people([{"id": "a", "like": "x"}])).fingerprint()
    second = PeopleFile(people([{"id": "a", "like": "x"}, {"id": "b", "like": "y"}])).fingerprint()

    assert first[0] != second[0]
    assert (1, 2) == (first[1], second[1])
