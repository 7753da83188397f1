"""CSV and TSV: headers, quoting, types, and invalid lines."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (
            "id,title,price\n1,x,2\n2,y,3,4\n",
            "a.csv:3: the line has 4 fields, but the header names 3 columns.",
        ),
        ("id,title\n1,x\n2\n", "a.csv:3: the line has 1 field, but the header names 2 columns."),
        ('id,title\n\n1,"x\ny"\n2,"z\n3,w\n', "a.csv:5: a quoted field is never closed (read up"),
        (
            'id,title\n1,"say "hi" x"\n',
            "a.csv:2: a quoted field continues after its closing quote.",
        ),
        (
            'id,title\n1,"x\ny" z\n',
            "a.csv:2: a quoted field continues after its closing quote (read",
        ),
        ("id,title,id\n1,x,2\n", "a.csv:1: the header names 'id' more than once."),
        ("id,title\n1,x\0y\n", "a.csv:2: column 'title' holds a NUL character"),
        ("id,title\n,x\n", "a.csv:2: the id is missing (column 'id')."),
        ("id,title\n1, \n", "a.csv:2: the title is missing (column 'title')."),
        ("id,title\n1,x\n1,y\n", "a.csv:3: item id '1' is already used on line 2."),
        (" \n \n", "a.csv: it holds no header and no rows."),
    ],
)
def test_an_invalid_line(refusal, content, problem):
    """The error has the line on which the row begins, and the expected and actual counts."""
    assert refusal("a.csv", content).startswith(problem)


def test_reading_continues_after_bad_lines(reader):
    """Bad quoting, wrong numbers of fields and other encodings affect only their own lines."""
    content = b'id,title,n\n1,"a "b" c",1\n2,ok,2\n3,x\n4,caf\xe9,4\n5,ok,5\n'
    catalog = reader("a.csv", content, on_error="skip")

    assert [("2", 2), ("5", 5)] == [(item.id, item.attributes["n"]) for item in catalog]
    assert [2, 4, 5] == [each.line for each in catalog.skipped]


@pytest.mark.parametrize("line", [b"1,caf\xe9", b'1,"caf\xe9 x"', b"1,x,caf\xe9"])
def test_a_line_that_is_not_utf8(refusal, line):
    """The byte is reported first, before a wrong number of fields."""
    message = refusal("a.csv", b"id,title\n" + line + b"\n")

    assert message.startswith("a.csv:2: byte 0xE9 at column ")
    assert "Latin-1" in message


def test_a_header_that_is_not_utf8(refusal):
    """A file in another encoding is detected on its first line."""
    assert refusal("a.csv", b"id,title,pr\xe9cis\n1,x,y\n").startswith("a.csv:1: byte 0xE9")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "-2", " 3 "], [1, -2, 3]),
        (["1", "2.5", ""], [1.0, 2.5, None]),
        (["1.", ".5", "1e3"], [1.0, 0.5, 1000.0]),
        (["1", "n/a", "NaN"], [1, None, None]),
        (["true", "No", "YES"], [True, False, True]),
        (["yes", "1", "no"], ["yes", "1", "no"]),
        (["1", "x", "nan"], ["1", "x", "nan"]),
        (["00123", "456", "7"], ["00123", "456", "7"]),
        (["+49", "1", "2"], ["+49", "1", "2"]),
        (["1_000", "2", "3"], ["1_000", "2", "3"]),
        (["٣", "2", "3"], ["٣", "2", "3"]),
        (["inf", "1", "2"], ["inf", "1", "2"]),
        (["1e999", "1", "2"], ["1e999", "1", "2"]),
        (["9223372036854775808", "1", "2"], ["9223372036854775808", "1", "2"]),
        (["-9223372036854775807", "1", "2"], [-9223372036854775807, 1, 2]),
        (["none", "null", ""], ["none", "null", None]),
    ],
)
def test_a_column_gets_the_narrowest_type(reader, values, expected):
    """The type of a column fits the values of all rows."""
    rows = "".join(f"{number},t,{value}\n" for number, value in enumerate(values))

    items = list(reader("a.csv", "id,title,x\n" + rows))

    values = [item.attributes.get("x") for item in items]
    assert [(value, type(value)) for value in expected] == [(v, type(v)) for v in values]


def test_the_last_row_may_change_a_type(reader):
    """One word far down makes the whole column text."""
    rows = "".join(f"{number},t,{number}\n" for number in range(3000))

    first = next(iter(reader("a.csv", "id,title,x\n" + rows + "last,t,word\n")))

    assert {"x": "0"} == first.attributes


def test_ids_and_titles_stay_text(reader):
    """They are not converted to numbers, even if they look like it."""
    (item,) = reader("a.csv", "id,title,text\n007,1984,12\n")

    assert ("007", "1984", "12") == (item.id, item.title, item.text)


def test_the_unnamed_index_of_a_data_frame(reader):
    """A column without a name is named after its position."""
    (item,) = reader("a.csv", ",id,title\n0,a,A\n")

    assert {"column_1": 0} == item.attributes


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(reader, delimiter):
    """Spreadsheets in many countries write semicolons."""
    content = 'id,title,"a, b; c"\n1,x,2\n'.replace(",", delimiter)

    (item,) = reader("a.csv", content)

    assert ("1", "x") == (item.id, item.title)


def test_a_field_longer_than_the_module_allows(reader):
    """Texts may be longer than the default limit of the csv module."""
    (item,) = reader("a.csv", "id,title,text\n1,x," + "y" * 200_000 + "\n")

    assert 200_000 == len(item.text)


def test_quotes_in_a_tsv_can_be_characters(reader):
    """A title that begins with a quote does not swallow the following rows."""
    content = 'id\ttitle\n1\t"Heroes\n2\t"Quoted" start\n3\t"whole ""field"""\n'

    titles = [item.title for item in reader("a.tsv", content)]

    assert ['"Heroes', '"Quoted" start', 'whole "field"'] == titles


def test_quotes_in_a_tsv_can_be_quoting(reader):
    """A tab or line break in quotes is part of the field."""
    content = 'id\ttitle\n1\t"a\tb"\n2\t"c\nd"\n'

    assert ["a\tb", "c\nd"] == [item.title for item in reader("a.tsv", content)]
