"""Reading as a whole: items, counts, skipping, duplicates, and the Python side."""

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

from unillmrec.catalog import FORMATS, Columns, Skipped, catalog_from_items, read_catalog
from unillmrec.catalog.reader import KEPT_SKIPPED
from unillmrec.errors import CatalogError, UnillmrecError
from unillmrec.items import Item

TWO = '{"id": "a", "title": "Alien"}\n{"id": "b", "title": "Brazil", "year": 1985}\n'


def test_items_come_in_the_order_of_the_file(reader):
    """Every line becomes an item, and what is neither id nor title an attribute."""
    catalog = reader("films.jsonl", TWO)

    items = list(catalog)

    assert [Item("a", "Alien"), Item("b", "Brazil", attributes={"year": 1985})] == items
    assert ("films.jsonl", 2, []) == (catalog.name, catalog.read, catalog.skipped)


def test_the_progress_can_be_drawn(reader):
    """Position runs up to the size, which counts compressed bytes."""
    packed = gzip.compress(TWO.encode())
    catalog = reader("films.jsonl.gz", packed)

    before = catalog.position
    list(catalog)

    assert (0, len(packed), len(packed)) == (before, catalog.size, catalog.position)


def test_a_reader_can_be_read_again(reader):
    """A second iteration gives the same items and counts from zero."""
    catalog = reader("films.jsonl", TWO)

    assert list(catalog) == list(catalog)
    assert 2 == catalog.read


def test_one_item_needs_no_look_at_the_rest(reader):
    """Reading may be given up early."""
    catalog = reader("films.jsonl", TWO)

    first = next(iter(catalog))

    assert "a" == first.id


def test_says_which_columns_were_taken(reader):
    """The columns that were found are told by the name they have in the file."""
    catalog = reader("shop.csv", "SKU;Name;Overview;Price\nx;Lamp;Bright;3\n")

    list(catalog)

    assert Columns("SKU", "Name", ("Overview",), ()) == catalog.columns


def test_a_repeated_id_names_both_lines(refusal):
    """The error is the one the user can act on: both lines, and the way around it."""
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
    assert [Skipped(3, "item id 'b' is already used on line 2")] == catalog.skipped


def test_keeping_the_first_forgives_nothing_else(refusal):
    """Another problem still stops."""
    message = refusal("films.jsonl", TWO + '{"id": "c"}\n', on_duplicate="keep-first")

    assert message.startswith("films.jsonl:3: the title is missing (column 'title').")


def test_skipping_counts_and_lists(reader):
    """Rows that cannot be used are left out, each with its line and reason."""
    content = 'no json\n{"id": "a"}\n{"id": "a", "title": "A"}\n{"title": "B"}\n'
    catalog = reader("films.jsonl", content, on_error="skip")

    assert ["a"] == [item.id for item in catalog]
    assert 3 == catalog.skipped_count
    assert [1, 2, 4] == [each.line for each in catalog.skipped]
    assert "the title is missing (column 'title')" == catalog.skipped[1].problem


def test_the_list_of_the_skipped_is_bounded(reader):
    """A file of nothing but errors does not fill the memory."""
    catalog = reader("films.jsonl", TWO + "x\n" * (KEPT_SKIPPED + 5), on_error="skip")

    list(catalog)

    assert (KEPT_SKIPPED, KEPT_SKIPPED + 5) == (len(catalog.skipped), catalog.skipped_count)


def test_nothing_usable_is_an_error_even_when_skipping(refusal):
    """An empty catalog is never what was meant."""
    message = refusal("films.jsonl", '{"id": 1, "titel": "x"}\nx\n', on_error="skip")
    useless = refusal("films.jsonl", '{"id": 1, "title": ""}\n{"id": 1.5}\n', on_error="skip")

    assert message.startswith("films.jsonl: there is no column for the title.")
    assert useless.startswith(
        "films.jsonl: none of its 2 items can be used.\n"
        "  The first, line 1: the title is missing (column 'title')."
    )


@pytest.mark.parametrize("content", ["\n\n", "[]", "id,title\n"])
def test_no_items_is_an_error(refusal, content):
    """A file without a single item says so."""
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
        ('{"id": "c", "title": "\\u200b"}', "the title '\\u200b' holds nothing that can be seen"),
        (
            '{"id": 1.0, "title": "x"}',
            "the id in column 'id' is 1.0; it has to be a text or an integer",
        ),
        (
            '{"id": true, "title": "x"}',
            "the id in column 'id' is True; it has to be a text or an integer",
        ),
        ('{"id": "a\\u0007", "title": "x"}', "the id 'a\\x07' holds an invisible character"),
        (
            '{"id": "%s", "title": "x"}' % ("c" * 513),
            "the id has 513 characters; at most 512 are allowed",
        ),
        (
            '{"id": "c", "title": ["x"]}',
            "the title in column 'title' is ['x']; it has to be a text",
        ),
        (
            '{"id": "c", "title": "\\ud800"}',
            "column 'title' holds half a surrogate pair (\\ud800), which is no character",
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
def test_a_row_that_cannot_be_an_item(refusal, line, problem):
    """The line, what is wrong with it, and that nothing happened."""
    message = refusal("films.jsonl", TWO + line)

    assert [f"films.jsonl:3: {problem}.", "  Nothing was written."] == message.splitlines()[:2]


def test_ids_are_text(reader):
    """An integer is written out, space around is not part of the id, a comma may be."""
    content = '{"id": 7, "title": "x"}\n{"id": " a,b ", "title": "y"}\n{"id": "007", "title": "z"}'

    assert ["7", "a,b", "007"] == [item.id for item in reader("films.jsonl", content)]


def test_a_number_can_be_a_title(reader):
    """There is a film called 1917."""
    assert ["1917"] == [item.title for item in reader("a.jsonl", '{"id": 1, "title": 1917}')]


def test_attributes_keep_the_types_of_json(reader):
    """Null and empty are missing, lists are texts, objects are taken apart."""
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


def test_text_can_be_asked_for(reader):
    """A column named by as_text is not taken for a number."""
    lines = '{"id": 1, "title": "x", "zip": 1234, "n": 5}'
    table = "id,title,zip,n\n1,x,1234,5\n"

    for catalog in (
        reader("a.jsonl", lines, as_text=["zip"]),
        reader("a.csv", table, as_text=["zip"]),
    ):
        (item,) = catalog
        assert {"zip": "1234", "n": 5} == item.attributes


def test_a_misspelt_text_column_is_noticed_at_the_end(refusal):
    """In JSON a column may come late; when it never came, that is an error."""
    message = refusal("films.jsonl", TWO, columns=Columns(text="yaer"))

    assert (
        "films.jsonl: there is no column 'yaer'.\n"
        "  The columns are 'id', 'title', 'year'. Nothing was written.\n"
        "  Try: --text year"
    ) == message


def test_a_text_column_may_come_late(reader):
    """A column that is missing from the first rows is found all the same."""
    lines = "".join(f'{{"id": {number}, "title": "x"}}\n' for number in range(200))
    late = '{"id": "late", "title": "x", "plot_text": "here"}\n'

    items = list(reader("films.jsonl", lines + late, columns=Columns(text="plot_text")))

    assert "here" == items[-1].text


def test_standard_input_is_read_once():
    """A pipe has a name, no size at first, and cannot be rewound."""
    catalog = read_catalog("-", stdin=io.BytesIO(TWO.encode()))

    assert ("standard input", None) == (catalog.name, catalog.size)
    assert ["a", "b"] == [item.id for item in catalog]
    with pytest.raises(CatalogError, match="standard input: a pipe can be read only once"):
        list(catalog)


def test_a_long_csv_comes_through_a_pipe():
    """Types need two passes over the file; none of it is lost between them."""
    rows = b"".join(b"%d,title %d,%d\n" % (number, number, number) for number in range(120_000))
    catalog = read_catalog("-", stdin=io.BytesIO(b"id,title,n\n" + rows))

    (last,) = deque(catalog, maxlen=1)

    assert 120_000 == catalog.read
    assert Item("119999", "title 119999", attributes={"n": 119_999}) == last


def test_unknown_ways_of_going_on_are_a_mistake_of_the_program():
    """A typing mistake in Python is no catalog error."""
    with pytest.raises(ValueError, match="ignore"):
        catalog_from_items([], on_error="ignore")  # type: ignore[arg-type]  # what is tested


class Colour(enum.StrEnum):
    """An attribute type programs use."""

    RED = "red"


def test_items_of_a_program_are_held_to_the_same_rules():
    """Mappings and ready items may be mixed, and become the same clean values."""
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
            "items, item 1: column 'o' holds a type, which is no value.",
        ),
        ([], "items: it holds no items."),
    ],
)
def test_items_of_a_program_are_named_by_number(items, problem):
    """There is no line, so the error says which item."""
    with pytest.raises(CatalogError) as caught:
        list(catalog_from_items(items))

    assert problem == caught.value.problem


NAMES = st.text("abcdefgh_", min_size=1, max_size=6).map("x{}".format)
# The separator of paths is kept out of everything, so that paths come back as they were.
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
    """Write an item the way a catalog holds it."""
    return {
        "id": item.id,
        "title": item.title,
        "text": item.text,
        "path": item.path,
        **item.attributes,
    }


@given(ITEMS, st.booleans(), st.sampled_from(["\n", "\r\n", "\n\n"]), st.booleans())
def test_json_lines_come_back_as_they_were(items, ascii_only, line_end, zipped):
    """Whatever can be an item survives being written and read."""
    rows = [as_row(item) for item in items]
    content = line_end.join(json.dumps(row, ensure_ascii=ascii_only) for row in rows).encode()

    source = io.BytesIO(gzip.compress(content) if zipped else content)
    back = list(read_catalog("-", format="jsonl", columns=COLUMNS, stdin=source))

    assert items == back


@given(ITEMS, st.sampled_from([None, 1]), st.sampled_from(["%s", '{"n": [1], "rows": %s}']))
def test_a_json_document_comes_back_as_it_was(items, indent, frame):
    """The same for a list, and for a list inside an object."""
    content = frame % json.dumps([as_row(item) for item in items], indent=indent)

    back = list(
        read_catalog("-", format="json", columns=COLUMNS, stdin=io.BytesIO(content.encode()))
    )

    assert items == back


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
def test_csv_comes_back_as_it_was(rows, delimiter, quoting, line_end):
    """Quotes, line breaks and delimiters in fields survive, and columns get their types."""
    # Python's writer leaves a lone carriage return unquoted, where it is the end of a line.
    assume(quoting == csv.QUOTE_ALL or not any("\r" in text for row in rows for text in row[:3]))
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=quoting, lineterminator=line_end)
    writer.writerow(["id", "title", "note", "count", "flag"])
    writer.writerows([*row[:4], "Yes" if row[4] else "no"] for row in rows)

    back = list(
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
    ] == back


PIECES = [
    '{"id": 1, "title": "a"}', "id,title,n\n", '1,"b",2', '"', "{", "}", "[", "]", ",", ":", "\n",
    "\r", "\t", ";", "\0", "NaN", "1e999", "\\ud800", "null", " ", "\ufeff", "café", "7" * 30,
]  # fmt: skip


@given(
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
    st.sampled_from(["utf-8", "latin-1", "utf-16"]),
    st.sampled_from([None, *FORMATS[:4]]),
    st.sampled_from(["stop", "skip"]),
)
def test_whatever_comes_in_there_is_an_item_or_an_error_in_words(text, encoding, form, on_error):
    """No input ends in a traceback, and no item is without id and title."""
    data = text.encode(encoding, "replace")
    complaint = None
    try:
        items = list(read_catalog("-", format=form, on_error=on_error, stdin=io.BytesIO(data)))
    except UnillmrecError as error:
        items, complaint = [], error

    assert bool(items) != bool(complaint)
    assert all(item.id.strip() and item.title.strip() for item in items)
    assert all(item.content_hash() for item in items)
    assert complaint is None or "Nothing was written." in complaint.detail


def test_a_folder_full_of_catalogs_leaves_no_file_open(reader):
    """Reading to the end, giving up and failing all close what was opened."""
    list(reader("a.jsonl", TWO))
    next(iter(reader("a.csv", "id,title\n1,x\n2,y\n")))
    with pytest.raises(CatalogError):
        list(reader("b.jsonl", TWO + "x"))

    assert {"a.jsonl", "a.csv", "b.jsonl"} == {path.name for path in Path().iterdir()}
