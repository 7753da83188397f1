import io
import sys
from pathlib import Path

import pytest

from unillmrec.errors import PersonError
from unillmrec.people.history import read_history


@pytest.mark.parametrize(
    ("content", "ids"),
    [
        ('["a", "b", 3]', ("a", "b", "3")),
        ('[{"item_id": "a", "rating": 5}, {"id": 7}]', ("a", "7")),
        ('{"item_id": "a"}\n\n{"item_id": "b"}\n', ("a", "b")),
        ("item_id,rating\na,5\nb,3\n", ("a", "b")),
        ('rating\titem_id\n5\t"a"\n3\tb, c\n', ("a", "b, c")),
        ("user,Item\nu,a\nu,\nu,b\n", ("a", "b")),
        ("a\nb\n\n c \n", ("a", "b", "c")),
        ("Emma, by Austen\nDracula, by Stoker\n", ("Emma, by Austen", "Dracula, by Stoker")),
        ("a, b,c\n", ("a", "b", "c")),
        ("\ufeffa\nb\n", ("a", "b")),
        ("single\n", ("single",)),
    ],
)
def test_files_in_every_form_give_ids(content, ids, tmp_path):
    """JSON, JSON Lines, a table with a column of ids, and one id per line are all read."""
    path = tmp_path / "person"
    path.write_text(content, encoding="utf-8")

    assert ids == read_history(str(path))


def test_an_argument_that_is_not_a_file_is_a_list_of_ids():
    """The ids are separated by commas."""
    assert ("a", "b c", "d") == read_history("a, b c,d,")


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ('["a,b", "c", 7]', ("a,b", "c", "7")),
        (' [{"item_id": "a,b"}] ', ("a,b",)),
        ("[REC],b", ("[REC]", "b")),
    ],
)
def test_a_json_list_is_for_ids_with_commas(given, ids):
    """It is read as in a file; brackets that do not enclose everything belong to an id."""
    assert ids == read_history(given)


def test_invalid_json_is_rejected():
    """A list whose quotes were removed by the shell is an error."""
    with pytest.raises(PersonError, match="the history is not a JSON list"):
        read_history("[a,b]")


def test_no_argument_is_an_empty_history():
    """Without the option there is no history."""
    assert () == read_history(None)


def test_a_long_list_of_ids_is_not_a_file_name():
    """A list of ids longer than the maximum length of a file name is read as ids."""
    ids = tuple(f"item-{n:05}" for n in range(2_000))

    assert ids == read_history(",".join(ids))


def test_reads_standard_input(monkeypatch):
    """`-` is standard input, read as UTF-8 whatever the encoding of the terminal."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("a\né\n".encode()), "ascii"))

    assert ("a", "é") == read_history("-")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "person contains no item ids."),
        (b"\n \n", "person contains no item ids."),
        (b"[1, 2", "person is not a JSON list"),
        (b"[1, null]", "person, entry 2: None is not an item id."),
        (b'[{"film": 1}]', "person, entry 1: there is no field 'item_id' or 'item' or 'id'"),
        (b'{"item_id": "a"}\nb\n', "person:2: not a JSON object"),
        (b"item_id,rating\n", "person: the column 'item_id' contains no item ids."),
        (b"\xff\xfe", "person is not UTF-8."),
    ],
)
def test_files_without_ids_are_rejected(content, problem):
    """The error names the file and the line or entry."""
    Path("person").write_bytes(content)

    with pytest.raises(PersonError) as raised:
        read_history("person")

    assert raised.value.problem.startswith(problem)


@pytest.mark.parametrize("given", ["people.json", "missing.csv", ",", ""])
def test_missing_files_and_empty_histories_are_rejected(given):
    """A name with the suffix of a file must exist, and a history needs at least one id."""
    with pytest.raises(PersonError):
        read_history(given)
