import io
import sys
from pathlib import Path

import pytest

from unillmrec.cli.shared.histories import read_history
from unillmrec.errors import PersonError


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
    """JSON, JSON Lines, a table with a column of ids, one id a line: all are read."""
    path = tmp_path / "person"
    path.write_text(content, encoding="utf-8")

    assert ids == read_history(str(path))


def test_ids_stand_for_themselves():
    """What is no file is ids with commas between them."""
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
    """It is read as in a file; brackets that do not go around everything are letters of an id."""
    assert ids == read_history(given)


def test_a_list_that_is_no_json_is_refused():
    """A shell that took the quotes away is found out."""
    with pytest.raises(PersonError, match="the history is not a JSON list"):
        read_history("[a,b]")


def test_nothing_given_is_an_empty_history():
    """Without the option there is no history."""
    assert () == read_history(None)


def test_a_long_list_of_ids_is_no_file_name():
    """More ids than a file name may have letters are ids all the same."""
    ids = tuple(f"item-{n:05}" for n in range(2_000))

    assert ids == read_history(",".join(ids))


def test_reads_standard_input(monkeypatch):
    """- is standard input, whatever letters the terminal has."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("a\né\n".encode()), "ascii"))

    assert ("a", "é") == read_history("-")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "person holds no item ids."),
        (b"\n \n", "person holds no item ids."),
        (b"[1, 2", "person is not a JSON list"),
        (b"[1, null]", "person, entry 2: None is not an item id."),
        (b'[{"film": 1}]', "person, entry 1: there is no field 'item_id' or 'item' or 'id'"),
        (b'{"item_id": "a"}\nb\n', "person:2: not a JSON object"),
        (b"item_id,rating\n", "person: the column 'item_id' holds no item ids."),
        (b"\xff\xfe", "person is not UTF-8."),
    ],
)
def test_what_holds_no_ids_is_refused(content, told, tmp_path):
    """The error names the file, and the line or entry."""
    Path("person").write_bytes(content)

    with pytest.raises(PersonError) as raised:
        read_history("person")

    assert raised.value.problem.startswith(told)


@pytest.mark.parametrize("given", ["people.json", "missing.csv", ",", ""])
def test_no_file_and_no_ids_are_refused(given):
    """A name that can only be a file's has to be there, and a history has to hold something."""
    with pytest.raises(PersonError):
        read_history(given)
