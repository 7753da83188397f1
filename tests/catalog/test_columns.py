"""Assigning columns to roles: by request, by usual name, and by content."""

from __future__ import annotations

import json

import pytest

from unillmrec.catalog import Columns, catalog_from_items
from unillmrec.catalog.columns import guess_separator
from unillmrec.errors import CatalogError


def first(row, **columns):
    """Return the item of *row*."""
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
    """Case, spaces and underscores are ignored."""
    item = first(row)

    assert expected == (item.id, item.title)


def test_requested_columns_win():
    """A column with a usual name is an attribute if another one was requested."""
    item = first({"id": "1", "code": "2", "title": "x", "heading": "y"}, id="code", title="heading")

    assert ("2", "y", {"id": "1", "title": "x"}) == (item.id, item.title, item.attributes)


def test_texts_are_joined_in_order():
    """All usual text columns are joined, or the requested ones, in their order."""
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
def test_a_path_is_a_list_or_a_text(value, expected):
    """The levels go from coarse to fine."""
    assert expected == first({"id": "1", "title": "x", "path": value}).path


def test_several_path_columns_make_one_path():
    """A category and a subcategory are two levels."""
    row = {"id": "1", "title": "x", "category": "news", "subcategory": "local"}

    assert ("news", "local") == first(row, path=("category", "subcategory")).path


def test_the_separator_can_be_requested():
    """Only the requested separator is used."""
    row = {"id": "1", "title": "x", "path": "a > b :: c"}

    assert ("a > b", "c") == first(row, path_separator="::").path


@pytest.mark.parametrize(
    "name", ["category", "categories", "genres", "tags", "subjects", "authors"]
)
def test_a_list_of_tags_is_not_a_path(name):
    """Under these names a list is a set of tags, unless it is requested as the path."""
    row = {"id": "1", "title": "x", name: ["b", "a"]}

    assert ((), {name: ("b", "a")}) == (first(row).path, first(row).attributes)
    assert (("b", "a"), {}) == (first(row, path=name).path, first(row, path=name).attributes)


def test_a_text_under_category_is_a_path():
    """A category like "Home > Lamps" is a place in a hierarchy."""
    item = first({"id": "1", "title": "x", "category": "Home > Lamps", "genres": "a|b"})

    assert (("Home", "Lamps"), {"genres": "a|b"}) == (item.path, item.attributes)


def test_no_path_can_be_requested():
    """An empty tuple leaves the column with the attributes."""
    assert {"path": ("a",)} == first({"id": "1", "title": "x", "path": ["a"]}, path=()).attributes


def test_objects_in_a_path_are_refused():
    """A path consists of texts."""
    with pytest.raises(CatalogError, match="the path in column 'path' is not a list of texts"):
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
    """A slash is a separator only if most values have one."""
    assert expected == guess_separator(values)


def test_nested_fields_can_be_named(reader):
    """They have the name that the attribute would have."""
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
def test_an_unknown_column(refusal, columns, problem, remedy):
    """The error lists the columns, and suggests the nearest name."""
    message = refusal("a.csv", "id,name,description\n1,x,y\n", columns=Columns(**columns))

    assert (
        f"a.csv: {problem}.\n"
        "  The columns are 'id', 'name', 'description'. Nothing was written.\n"
        f"  Try: {remedy}"
    ) == message


def test_as_text_names_a_column(refusal):
    """A misspelt name is an error; otherwise it would have no effect."""
    assert "Try: --as-text code" in refusal("a.csv", "id,name,code\n1,x,2\n", as_text=["cod"])


def test_no_usual_name(refusal):
    """Without a column for the id, the error lists the columns and the flag."""
    message = refusal("a.csv", "key,name\n1,x\n")

    assert message.startswith("a.csv: there is no column for the id.\n  The columns are 'key',")
    assert message.endswith("Try: --id with the name of the column.")
