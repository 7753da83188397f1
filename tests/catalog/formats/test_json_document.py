"""JSON documents: places, damage, and chunks of any size."""

from __future__ import annotations

import json
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.catalog import catalog_from_items, read_catalog
from unillmrec.catalog.formats import json_document


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[\n{"id": 1,\n"title" 2}]', "a.json:3: bad JSON at column 9: expecting ':' delimiter"),
        ('[{"id": 1, "title": "x"}', "a.json:1: the document ends too early; was it cut off?"),
        ('[{"id": 1, "title": "x"},', "a.json:1: the document ends too early; was it cut off?"),
        ('[\n{"id": 1, "title": "x"}\n{"id": 2}]', "a.json:3: bad JSON: ',' is expected here"),
        ('[{"id": 1, "title": "x"}]\n7', "a.json:2: the document continues after its end."),
        ('[\n{"id": 1, "title": NaN}]', "a.json:2: bad JSON: NaN is not a JSON number."),
        ('{"a": 1,\n"b": [1, 2]}', "a.json: the document holds no list of objects."),
        (
            '{"a": [{"id": 1, "title": "x"}],\n"b": [{}]}',
            "a.json:2: the document holds more than one list of objects: 'a', 'b'.",
        ),
        ('[{"id": 1, "title": "x"}, 7]', "a.json:1, item 2: an item is a JSON object, but this"),
        (
            '[{"id": 1, "title": "x"},\n{"id": 1, "title": "y"}]',
            "a.json:2, item 2: item id '1' is already used by item 1 on line 1.",
        ),
    ],
)
def test_an_invalid_document(refusal, content, problem):
    """The error has the line and the number of the item, although the document is one value."""
    assert refusal("a.json", content).startswith(problem)


def test_a_document_that_is_not_utf8(refusal):
    """The error has the line and the column of the byte."""
    content = b'[\n{"id": 1,\n"title": "caf\xe9"}]'

    assert refusal("a.json", content).startswith("a.json:3: byte 0xE9 at column 14 is not UTF-8")


def test_items_of_a_document_can_be_skipped(reader):
    """An element that is not an item is left out, and listed with its line."""
    catalog = reader("a.json", '[\n1,\n{"id": 1, "title": "x"},\n{"id": 2}\n]', on_error="skip")

    assert ["1"] == [item.id for item in catalog]
    assert [2, 4] == [each.line for each in catalog.skipped]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "id": st.integers(0, 10**9),
                "title": st.text('ab"\\é😀{}[],:\n', max_size=9).map("t".__add__),
            },
            optional={"n": st.floats(allow_nan=False, allow_infinity=False) | st.integers()},
        ),
        min_size=1,
        max_size=5,
        unique_by=lambda row: row["id"],
    ),
    st.integers(1, 40),
    st.sampled_from([None, 2]),
    st.sampled_from(["%s", '{"count": 12345, "rows": %s, "more": [1.5e10, "x"]}']),
)
def test_a_document_may_be_cut_into_chunks_anywhere(tmp_path_factory, rows, size, indent, frame):
    """It makes no difference where one read ends and the next begins."""
    path = tmp_path_factory.mktemp("chunks") / "rows.json"
    path.write_text(frame % json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")

    with patch.object(json_document, "CHUNK", size):
        items = list(read_catalog(path, format="json"))

    assert list(catalog_from_items(rows)) == items


def test_a_duplicate_field_in_a_document(refusal):
    """The line is the one on which the object begins."""
    message = refusal("a.json", '[{"id": "a", "title": "A"},\n{"id": "b",\n"id": "c"}]')

    assert message.startswith("a.json:2: bad JSON: an object names 'id' more than once.")
