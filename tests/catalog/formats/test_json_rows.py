"""JSON Lines and JSON documents: places, damage, and pieces of any size."""

from __future__ import annotations

import gzip
import json
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unillmrec.catalog import catalog_from_items, read_catalog
from unillmrec.catalog.formats import json_rows

GOOD = '{"id": "a", "title": "A"}\n'


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"id": 1 "title": 2}', "bad JSON at column 10: expecting ',' delimiter, near "),
        ('  {"id": 1 "title": 2}', "bad JSON at column 12: expecting ',' delimiter, near "),
        ('{"id": "b", "title": "cut', "bad JSON at column 22: the text that begins here is never"),
        ('{"id": 1} {"id": 2}', "bad JSON at column 10: more follows after the first value."),
        ("{'id': 1}", "bad JSON at column 2: expecting property name enclosed in double quotes"),
        ("[1]", "an item is a JSON object, but this is a list."),
        ('"x"', "an item is a JSON object, but this is a text."),
        ("7", "an item is a JSON object, but this is a number."),
        ("null", "an item is a JSON object, but this is null."),
        ('{"x": NaN}', "bad JSON: NaN is not a JSON number."),
        ('{"x": -Infinity}', "bad JSON: -Infinity is not a JSON number."),
        ('{"x": %s}' % ("9" * 5000), "bad JSON: a number has too many digits."),
        ("[" * 100_000, "bad JSON: lists or objects are nested too deeply."),
        ('{"a": 1, "b": 2, "a": 3}', "bad JSON: an object names 'a' more than once."),
        ('{"x": [{"y": 1, "y": 1}]}', "bad JSON: an object names 'y' more than once."),
        ('{"x": "a\0"}', "bad JSON at column 9: invalid control character, near "),
    ],
)
def test_a_line_that_is_no_json_object(refusal, line, problem):
    """The error has the line, the column, and the words around it."""
    assert refusal("a.jsonl", GOOD + "\n" + line + "\n").startswith(f"a.jsonl:3: {problem}")


@pytest.mark.parametrize(
    ("encoding", "text", "guess", "command"),
    [
        ("latin-1", "café x", "; it looks like Latin-1 or Windows-1252.", "-f WINDOWS-1252"),
        ("shift-jis", "日本", ".", "-f ENCODING"),
    ],
)
def test_a_line_that_is_not_utf8(refusal, encoding, text, guess, command):
    """The byte, its column, what it may be, and how to convert the file."""
    line = GOOD.replace("A", text).encode(encoding)
    column = next(place for place, byte in enumerate(line, start=1) if byte > 127)

    message = refusal("a.jsonl", GOOD.encode() + line)

    place = f"a.jsonl:2: byte 0x{line[column - 1]:02X} at column {column}"
    assert message.startswith(f"{place} is not UTF-8{guess}")
    assert f"iconv {command} -t UTF-8 a.jsonl > utf8-a.jsonl" in message


def test_gzipped_files_are_converted_through_a_pipe(refusal):
    """The suggested command works for what was given."""
    packed = gzip.compress(GOOD.encode() + b'{"id": "b", "title": "\xe9"}')

    assert refusal("a.jsonl.gz", packed).endswith(
        "gzip -dc a.jsonl.gz | iconv -f WINDOWS-1252 -t UTF-8 | gzip > utf8-a.jsonl.gz"
    )


def test_a_line_of_ten_megabytes_is_read(reader):
    """Long is not wrong."""
    title = "x" * 10_000_000

    (item,) = reader("a.jsonl", json.dumps({"id": 1, "title": title}))

    assert title == item.title


def test_a_line_without_end_is_refused(refusal, monkeypatch):
    """Beyond a limit it is another format, and would only fill the memory."""
    monkeypatch.setattr(json_rows, "_LONGEST", 1 << 20)

    message = refusal("a.jsonl", GOOD + json.dumps({"id": 2, "title": "x" * (1 << 20)}))

    assert message.startswith("a.jsonl:2: the line is longer than 1 MiB.")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('[\n{"id": 1,\n"title" 2}]', "a.json:3: bad JSON at column 9: expecting ':' delimiter"),
        ('[{"id": 1, "title": "x"}', "a.json:1: the document ends too early; was it cut off?"),
        ('[{"id": 1, "title": "x"},', "a.json:1: the document ends too early; was it cut off?"),
        ('[\n{"id": 1, "title": "x"}\n{"id": 2}]', "a.json:3: bad JSON: ',' is expected here"),
        ('[{"id": 1, "title": "x"}]\n7', "a.json:2: the document goes on after its end."),
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
def test_a_document_that_is_wrong(refusal, content, problem):
    """The line is told even though the document is one value; items are counted."""
    assert refusal("a.json", content).startswith(problem)


def test_a_document_that_is_not_utf8(refusal):
    """The line and column of the byte, also far into the file."""
    content = b'[\n{"id": 1,\n"title": "caf\xe9"}]'

    assert refusal("a.json", content).startswith("a.json:3: byte 0xE9 at column 14 is not UTF-8")


def test_items_of_a_document_can_be_skipped(reader):
    """An element that is no item is left out, with its line."""
    catalog = reader("a.json", '[\n1,\n{"id": 1, "title": "x"},\n{"id": 2}\n]', on_error="skip")

    assert ["1"] == [item.id for item in catalog]
    assert [2, 4] == [each.line for each in catalog.skipped]


TITLES = st.text('ab"\\é😀{}[],:\n', max_size=9).map("t{}".format)


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
def test_a_document_may_be_cut_into_pieces_anywhere(tmp_path_factory, rows, size, indent, frame):
    """Where one read ends and the next begins makes no difference."""
    path = tmp_path_factory.mktemp("pieces") / "rows.json"
    path.write_text(frame % json.dumps(rows, indent=indent, ensure_ascii=False), encoding="utf-8")

    with patch.object(json_rows, "_CHUNK", size):
        back = list(read_catalog(path, format="json"))

    assert list(catalog_from_items(rows)) == back


def test_a_field_that_comes_twice_in_a_document(refusal):
    """The line is that on which the object begins."""
    message = refusal("a.json", '[{"id": "a", "title": "A"},\n{"id": "b",\n"id": "c"}]')

    assert message.startswith("a.json:2: bad JSON: an object names 'id' more than once.")
