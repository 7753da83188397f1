"""Which column is what: by name, by usual name, and by what it holds."""

from __future__ import annotations

import json

import pytest

from unillmrec.catalog import Columns, catalog_from_items
from unillmrec.catalog.columns import guess_separator
from unillmrec.errors import CatalogError


def first(row, **columns):
    """Return the item that *row* becomes."""
    return next(iter(catalog_from_items([row], columns=Columns(**columns))))


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"id": "1", "title": "x", "name": "y"}, ("1", "x")),
        ({"item_id": "1", "name": "x"}, ("1", "x")),
        ({"asin": "1", "Product Name": "x"}, ("1", "x")),
        ({"movieId": "1", "Title": "x"}, ("1", "x")),
        ({"_id": "1", "primaryTitle": "x"}, ("1", "x")),
        ({"show_id": "1", "title": "x"}, ("1", "x")),
    ],
)
def test_usual_names_need_no_flag(row, expected):
    """Case, spaces and underscores make no difference."""
    item = first(row)

    assert expected == (item.id, item.title)


def test_names_that_were_given_win():
    """A usual name is an ordinary attribute once another column was asked for."""
    item = first({"id": "1", "code": "2", "title": "x", "heading": "y"}, id="code", title="heading")

    assert ("2", "y", {"id": "1", "title": "x"}) == (item.id, item.title, item.attributes)


def test_texts_are_joined_in_order():
    """All usual text columns are read, or those that were named, in their order."""
    row = {"id": "1", "title": "x", "description": "two", "text": "one", "blurb": ["a", "b"]}

    assert "one\ntwo" == first(row).text
    assert "a b\none" == first(row, text=("blurb", "text")).text
    assert "" == first(row, text=()).text


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (["a", "b"], ("a", "b")),
        ([" a ", "", None, 7], ("a", "7")),
        ("a > b > c d", ("a", "b", "c d")),
        ("a>b", ("a", "b")),
        ("a|b", ("a", "b")),
        ("/a/b", ("a", "b")),
        ("a", ("a",)),
        (["a > b"], ("a", "b")),
        ([["a", "b"], ["c"]], ("a", "b")),
        ([], ()),
        (None, ()),
    ],
)
def test_a_path_is_a_list_or_one_text(value, expected):
    """Coarse to fine, however it is written."""
    assert expected == first({"id": "1", "title": "x", "path": value}).path


def test_several_path_columns_follow_one_another():
    """A category and a subcategory make one path."""
    row = {"id": "1", "title": "x", "category": "news", "subcategory": "local"}

    assert ("news", "local") == first(row, path=("category", "subcategory")).path


def test_the_separator_can_be_given():
    """What is given is used, and nothing else."""
    row = {"id": "1", "title": "x", "path": "a > b :: c"}

    assert ("a > b", "c") == first(row, path_separator="::").path


@pytest.mark.parametrize(
    "name", ["category", "categories", "genres", "tags", "subjects", "authors"]
)
def test_a_list_of_tags_is_no_path(name):
    """Under these names a list is a set, unless the user says that it is a path."""
    row = {"id": "1", "title": "x", name: ["b", "a"]}

    assert ((), {name: ("b", "a")}) == (first(row).path, first(row).attributes)
    assert (("b", "a"), {}) == (first(row, path=name).path, first(row, path=name).attributes)


def test_one_text_under_category_is_a_path():
    """A shop that writes "Home > Lamps" means a place in its hierarchy."""
    item = first({"id": "1", "title": "x", "category": "Home > Lamps", "genres": "a|b"})

    assert (("Home", "Lamps"), {"genres": "a|b"}) == (item.path, item.attributes)


def test_no_path_can_be_asked_for():
    """An empty tuple leaves the column with the attributes."""
    assert {"path": ("a",)} == first({"id": "1", "title": "x", "path": ["a"]}, path=()).attributes


def test_objects_in_a_path_are_refused():
    """A path is made of names."""
    with pytest.raises(CatalogError, match="the path in column 'path' is no list of texts"):
        first({"id": "1", "title": "x", "path": [{"a": 1}, {"b": 2}]})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["a > b", "c/d", "e"], " > "),
        (["a>b", "c"], ">"),
        (["a|b", "c|d", "e"], "|"),
        (["Audio/Video", "Books", "Games"], None),
        (["a/b", "c/d", "e"], "/"),
        ([], None),
    ],
)
def test_the_separator_is_guessed_from_the_first_rows(values, expected):
    """A slash is a separator only where most values have one."""
    assert expected == guess_separator(values)


def test_nested_fields_can_be_named(reader):
    """The name is the one the attribute would have."""
    row = {"id": 1, "volume": {"title": "x", "about": {"text": "y"}, "pages": 3}}

    (item,) = reader(
        "a.jsonl",
        json.dumps(row),
        columns=Columns(title="volume.title", text="volume.about.text"),
    )

    assert ("x", "y", {"volume.pages": 3}) == (item.title, item.text, item.attributes)


@pytest.mark.parametrize(
    ("columns", "problem", "remedy"),
    [
        ({"id": "key"}, "there is no column 'key'", "--id with one of them."),
        ({"title": "nane"}, "there is no column 'nane'", "--title name"),
        ({"text": "Descripton"}, "there is no column 'Descripton'", "--text description"),
        ({"path": ("name", "zzz")}, "there is no column 'zzz'", "--path with one of them."),
    ],
)
def test_a_column_that_does_not_exist(refusal, columns, problem, remedy):
    """The error lists what there is, and the nearest name."""
    message = refusal("a.csv", "id,name,description\n1,x,y\n", columns=Columns(**columns))

    assert (
        f"a.csv: {problem}.\n"
        "  The columns are 'id', 'name', 'description'. Nothing was written.\n"
        f"  Try: {remedy}"
    ) == message


def test_as_text_names_a_column(refusal):
    """A misspelt name would silently change nothing."""
    assert "Try: --as-text code" in refusal("a.csv", "id,name,code\n1,x,2\n", as_text=["cod"])


def test_no_usual_name(refusal):
    """Without a column for the id, the error lists the columns and the flag."""
    message = refusal("a.csv", "key,name\n1,x\n")

    assert message.startswith("a.csv: there is no column for the id.\n  The columns are 'key',")
    assert message.endswith("Try: --id with the name of the column.")
