"""Reading catalogs: items, counts, skipping, duplicates, and items from Python."""

from __future__ import annotations

import csv
import datetime
import enum
import gzip
import io
import json
from collections import deque
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from unillmrec.catalog import FORMATS, Columns, SkippedRow, catalog_from_items, read_catalog
from unillmrec.catalog.reader import MAX_SKIPPED
from unillmrec.errors import CatalogError, UnillmrecError
from unillmrec.items import Item

TWO = '{"id": "a", "title": "Alien"}\n{"id": "b", "title": "Brazil", "year": 1985}\n'


def test_items_come_in_the_order_of_the_file(reader):
    """Every line becomes an item, and every other column an attribute."""
    catalog = reader("films.jsonl", TWO)

    items = list(catalog)

    assert [Item("a", "Alien"), Item("b", "Brazil", attributes={"year": 1985})] == items
    assert ("films.jsonl", 2, []) == (catalog.name, catalog.read, catalog.skipped)


def test_reports_progress(reader):
    """The position grows to the size, both in compressed bytes."""
    packed = gzip.compress(TWO.encode())
    catalog = reader("films.jsonl.gz", packed)

    before = catalog.position
    list(catalog)

    assert (0, len(packed), len(packed)) == (before, catalog.size, catalog.position)


def test_a_reader_can_be_iterated_again(reader):
    """A second iteration gives the same items and counts from zero."""
    catalog = reader("films.jsonl", TWO)

    assert list(catalog) == list(catalog)
    assert 2 == catalog.read


def test_reading_may_stop_early(reader):
    """The first item is available without reading all of them."""
    catalog = reader("films.jsonl", TWO)

    first = next(iter(catalog))

    assert "a" == first.id


def test_reports_the_columns_found(reader):
    """The columns have the names that they have in the file."""
    catalog = reader("shop.csv", "SKU;Name;Overview;Price\nx;Lamp;Bright;3\n")

    list(catalog)

    assert Columns("SKU", "Name", ("Overview",), ()) == catalog.columns


def test_a_duplicate_id_names_both_lines(refusal):
    """The error has both lines, and the flag that keeps the first one."""
    message = refusal("films.jsonl", TWO + "\n" + '{"id": "b", "title": "Again"}\n')

    assert (
        "films.jsonl:4: item id 'b' is already used on line 2.\n"
        "  Nothing was written.\n"
        "  Try: remove one of the two, or pass --on-duplicate keep-first."
    ) == message


def test_the_first_of_two_equal_ids_can_be_kept(reader):
    """With keep-first the second one is dropped, but counted and listed."""
    content = TWO + '{"id": "b", "title": "Again"}\n'
    catalog = reader("films.jsonl", content, on_duplicate="keep-first")

    assert ["Alien", "Brazil"] == [item.title for item in catalog]
    assert [SkippedRow(3, "item id 'b' is already used on line 2")] == catalog.skipped


def test_keep_first_applies_to_duplicates_only(refusal):
    """Any other problem still stops the reading."""
    message = refusal("films.jsonl", TWO + '{"id": "c"}\n', on_duplicate="keep-first")

    assert message.startswith("films.jsonl:3: the title is missing (column 'title').")


def test_skipped_rows_are_counted_and_listed(reader):
    """Unusable rows are left out, and listed with their lines and problems."""
    content = 'no json\n{"id": "a"}\n{"id": "a", "title": "A"}\n{"title": "B"}\n'
    catalog = reader("films.jsonl", content, on_error="skip")

    assert ["a"] == [item.id for item in catalog]
    assert 3 == catalog.skipped_count
    assert [1, 2, 4] == [each.line for each in catalog.skipped]
    assert "the title is missing (column 'title')" == catalog.skipped[1].problem


def test_the_list_of_skipped_rows_is_bounded(reader):
    """A file full of errors does not fill the memory."""
    catalog = reader("films.jsonl", TWO + "x\n" * (MAX_SKIPPED + 5), on_error="skip")

    list(catalog)

    assert (MAX_SKIPPED, MAX_SKIPPED + 5) == (len(catalog.skipped), catalog.skipped_count)


def test_a_catalog_without_usable_rows_is_an_error(refusal):
    """It is an error also with on_error="skip"."""
    message = refusal("films.jsonl", '{"id": 1, "titel": "x"}\nx\n', on_error="skip")
    useless = refusal("films.jsonl", '{"id": 1, "title": ""}\n{"id": 1.5}\n', on_error="skip")

    assert message.startswith("films.jsonl: there is no column for the title.")
    assert useless.startswith(
        "films.jsonl: none of its 2 items can be used.\n"
        "  The first, line 1: the title is missing (column 'title')."
    )


@pytest.mark.parametrize("content", ["\n\n", "[]", "id,title\n"])
def test_an_empty_catalog_is_an_error(refusal, content):
    """The error names the file."""
    assert refusal("films", content, format="jsonl" if content == "\n\n" else None).startswith(
        "films: "
    )


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"title": "x"}', "the id is missing (column 'id')"),
        ('{"id": " ", "title": "x"}', "the id is missing (column 'id')"),
        ('{"id": null, "title": "x"}', "the id is missing (column 'id')"),
        ('{"id": "c"}', "the title is missing (column 'title')"),
        ('{"id": "c", "title": " \\t"}', "the title is missing (column 'title')"),
        ('{"id": "c", "title": "\\u200b"}', "the title '\\u200b' has no visible character"),
        (
            '{"id": 1.0, "title": "x"}',
            "the id in column 'id' is 1.0; it must be a text or an integer",
        ),
        (
            '{"id": true, "title": "x"}',
            "the id in column 'id' is True; it must be a text or an integer",
        ),
        ('{"id": "a\\u0007", "title": "x"}', "the id 'a\\x07' has an invisible character"),
        (
            '{"id": "%s", "title": "x"}' % ("c" * 513),
            "the id has 513 characters; at most 512 are allowed",
        ),
        (
            '{"id": "c", "title": ["x"]}',
            "the title in column 'title' is ['x']; it must be a text",
        ),
        (
            '{"id": "c", "title": "\\ud800"}',
            "column 'title' holds half a surrogate pair (\\ud800), which is not a character",
        ),
        (
            '{"id": "c", "title": "x", "p": "\\u0000"}',
            "column 'p' holds a NUL character (\\u0000)",
        ),
        (
            '{"id": "c", "title": "x", "p": 1e999}',
            "the number in column 'p' is infinite or too large",
        ),
        ('{"id": "c", "title": "x", "": 1}', "a column has an empty name"),
        ('{"id":"c","x":' + '{"x":' * 20 + "1" + "}" * 21, "objects are nested more than 16 deep"),
    ],
)
def test_an_unusable_row(refusal, line, problem):
    """The error has the line and the problem, and says that nothing was written."""
    message = refusal("films.jsonl", TWO + line)

    assert [f"films.jsonl:3: {problem}.", "  Nothing was written."] == message.splitlines()[:2]


def test_ids_are_text(reader):
    """Integers are accepted, surrounding space is removed, and a comma may be part of an id."""
    content = '{"id": 7, "title": "x"}\n{"id": " a,b ", "title": "y"}\n{"id": "007", "title": "z"}'

    assert ["7", "a,b", "007"] == [item.id for item in reader("films.jsonl", content)]


def test_a_number_can_be_a_title(reader):
    """There is a film called 1917."""
    assert ["1917"] == [item.title for item in reader("a.jsonl", '{"id": 1, "title": 1917}')]


def test_attributes_keep_the_types_of_json(reader):
    """Null and empty values are missing, lists become texts, and objects several columns."""
    row = {
        "id": "a",
        "title": "A",
        "flag": True,
        "count": 3,
        "price": 2.5,
        "word": " x ",
        "none": None,
        "empty": "",
        "spaces": "  ",
        "tags": ["x", " ", None, 4, True],
        "no_tags": [],
        "outer": {"inner": 1, "deep": {"er": "z"}},
        "people": [{"name": "Ann"}],
        "long": 1 << 70,
    }

    (item,) = reader("a.jsonl", json.dumps(row))

    assert {
        "flag": True,
        "count": 3,
        "price": 2.5,
        "word": "x",
        "tags": ("x", "4", "true"),
        "outer.inner": 1,
        "outer.deep.er": "z",
        "people": ('{"name": "Ann"}',),
        "long": str(1 << 70),
    } == item.attributes


def test_text_can_be_requested(reader):
    """An as_text column is not converted to numbers."""
    lines = '{"id": 1, "title": "x", "zip": 1234, "n": 5}'
    table = "id,title,zip,n\n1,x,1234,5\n"

    for catalog in (
        reader("a.jsonl", lines, as_text=["zip"]),
        reader("a.csv", table, as_text=["zip"]),
    ):
        (item,) = catalog
        assert {"zip": "1234", "n": 5} == item.attributes


def test_a_misspelt_text_column_is_reported_at_the_end(refusal):
    """In JSON a column may appear late; it is an error only if it never does."""
    message = refusal("films.jsonl", TWO, columns=Columns(text="yaer"))

    assert (
        "films.jsonl: there is no column 'yaer'.\n"
        "  The columns are 'id', 'title', 'year'. Nothing was written.\n"
        "  Try: --text year"
    ) == message


def test_a_text_column_may_appear_late(reader):
    """A column may be missing from the first rows."""
    lines = "".join(f'{{"id": {number}, "title": "x"}}\n' for number in range(200))
    late = '{"id": "late", "title": "x", "plot_text": "here"}\n'

    items = list(reader("films.jsonl", lines + late, columns=Columns(text="plot_text")))

    assert "here" == items[-1].text


def test_standard_input_is_read_once():
    """A pipe has a name, but no size, and can be read only once."""
    catalog = read_catalog("-", stdin=io.BytesIO(TWO.encode()))

    assert ("standard input", None) == (catalog.name, catalog.size)
    assert ["a", "b"] == [item.id for item in catalog]
    with pytest.raises(CatalogError, match="standard input: a pipe can be read only once"):
        list(catalog)


def test_a_long_csv_can_be_read_from_a_pipe():
    """Determining types takes two passes, and the second one has all rows."""
    rows = b"".join(b"%d,title %d,%d\n" % (number, number, number) for number in range(120_000))
    catalog = read_catalog("-", stdin=io.BytesIO(b"id,title,n\n" + rows))

    (last,) = deque(catalog, maxlen=1)

    assert 120_000 == catalog.read
    assert Item("119999", "title 119999", attributes={"n": 119_999}) == last


def test_an_unknown_on_error_is_a_programming_error():
    """A wrong argument is not a catalog error."""
    with pytest.raises(ValueError, match="ignore"):
        catalog_from_items([], on_error="ignore")  # type: ignore[arg-type]  # what is tested


class Colour(enum.StrEnum):
    """A subclass of str, as programs use it for attributes."""

    RED = "red"


def test_items_from_python_follow_the_same_rules():
    """Mappings and items may be mixed, and are cleaned in the same way."""
    catalog = catalog_from_items(
        [
            {
                "id": 1,
                "title": "x",
                "when": datetime.date(2020, 1, 2),
                "colour": Colour.RED,
                "rest": float("nan"),
                "tags": {"b", "a"},
            },
            Item("b", " y ", path=("p", ""), attributes={"n": 1, "none": "", "list": ("q",)}),
        ]
    )

    assert [
        Item("1", "x", attributes={"when": "2020-01-02", "colour": "red", "tags": ("a", "b")}),
        Item("b", "y", path=("p",), attributes={"n": 1, "list": ("q",)}),
    ] == list(catalog)


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ([{"id": 1, "title": "x"}] * 2, "items, item 2: item id '1' is already used by item 1."),
        ([Item("a", "")], "items, item 1: the title is missing (column 'title')."),
        ([3], "items, item 1: 3 is neither an Item nor a mapping."),
        (
            [{"id": 1, "title": "x", "o": object}],
            "items, item 1: column 'o' holds a type, which cannot be stored.",
        ),
        ([], "items: it contains no items."),
    ],
)
def test_items_from_python_are_named_by_number(items, problem):
    """There are no lines, so errors have the number of the item."""
    with pytest.raises(CatalogError) as caught:
        list(catalog_from_items(items))

    assert problem == caught.value.problem


NAMES = st.text("abcdefgh_", min_size=1, max_size=6).map("x{}".format)
# No text contains the path separator, so that paths are read as they were written.
WORDS = (
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\u241f"), max_size=12)
    .map(str.strip)
    .filter(bool)
)
IDS = st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=20)
TITLES = st.builds("T{}".format, WORDS)
VALUES = st.one_of(
    WORDS,
    st.booleans(),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.lists(WORDS, min_size=1, max_size=3).map(tuple),
)
ITEMS = st.lists(
    st.builds(
        Item,
        IDS,
        TITLES,
        WORDS,
        st.lists(WORDS, max_size=3).map(tuple),
        st.dictionaries(NAMES, VALUES, max_size=4),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda item: item.id,
)
COLUMNS = Columns("id", "title", "text", "path", path_separator="\u241f")


def as_row(item: Item) -> dict[str, object]:
    """Return the row of a catalog for an item."""
    return {
        "id": item.id,
        "title": item.title,
        "text": item.text,
        "path": item.path,
        **item.attributes,
    }


@given(ITEMS, st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_json_lines_round_trip(items, ascii_only, line_end, zipped):
    """Every possible item is read as it was written."""
    rows = [as_row(item) for item in items]
    content = line_end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()

    source = io.BytesIO(gzip.compress(content) if zipped else content)
    read = list(read_catalog("-", format="jsonl", columns=COLUMNS, stdin=source))

    assert items == read


@given(ITEMS, st.sampled_from([None, 1]), st.sampled_from(["%s", '{"n": [1], "rows": %s}']))
def test_a_json_document_round_trips(items, indent, frame):
    """So are a list, and a list inside an object."""
    content = frame % json.dumps([as_row(item) for item in items], indent=indent)

    read = list(
        read_catalog("-", format="json", columns=COLUMNS, stdin=io.BytesIO(content.encode()))
    )

    assert items == read


@given(
    st.lists(
        st.tuples(IDS, TITLES, WORDS | st.just(""), st.integers(-(10**17), 10**17), st.booleans()),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_csv_round_trips(rows, delimiter, quoting, line_end):
    """Fields may contain quotes, line breaks and delimiters, and columns get their types."""
    # Python's writer leaves a lone carriage return unquoted, where it is the end of a line.
    assume(quoting == csv.QUOTE_ALL or not any("\r" in text for row in rows for text in row[:3]))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow(["id", "title", "note", "count", "flag"])
    writer.writerows([*row[:4], "Yes" if row[4] else "no"] for row in rows)

    read = list(
        read_catalog(
            "-",
            format="csv",
            as_text=["note"],
            columns=Columns("id", "title"),
            stdin=io.BytesIO(text.getvalue().encode()),
        )
    )

    assert [
        Item(
            row[0],
            row[1],
            attributes=({"note": row[2]} if row[2] else {})
            | dict(zip(("count", "flag"), row[3:], strict=True)),
        )
        for row in rows
    ] == read


PIECES = [
    '{"id": 1, "title": "a"}', "id,title,n\n", '1,"b",2', '"', "{", "}", "[", "]", ",", ":", "\n",
    "\r", "\t", ";", "\0", "NaN", "1e999", "\\ud800", "null", " ", "\ufeff", "café", "7" * 30,
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    st.sampled_from([None, *list(FORMATS)[:4]]),
    st.sampled_from(["stop", "skip"]),
)
def test_any_input_gives_items_or_a_catalog_error(text, encoding, form, on_error):
    """No input causes another exception, and every item has an id and a title."""
    data = text.encode(encoding, "replace")
    caught = None
    try:
        items = list(read_catalog("-", format=form, on_error=on_error, stdin=io.BytesIO(data)))
    except UnillmrecError as error:
        items, caught = [], error

    assert bool(items) != bool(caught)
    assert all(item.id.strip() and item.title.strip() for item in items)
    assert all(item.content_hash() for item in items)
    assert caught is None or "Nothing was written." in caught.detail


def test_no_file_stays_open(reader):
    """Reading to the end, stopping early and failing all close the file."""
    list(reader("a.jsonl", TWO))
    next(iter(reader("a.csv", "id,title\n1,x\n2,y\n")))
    with pytest.raises(CatalogError):
        list(reader("b.jsonl", TWO + "x"))

    assert {"a.jsonl", "a.csv", "b.jsonl"} == {path.name for path in Path().iterdir()}
