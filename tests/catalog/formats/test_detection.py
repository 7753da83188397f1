"""Detecting the format of a file, and what is refused before the first row."""

from __future__ import annotations

import gzip
import io

import pytest

from unillmrec.catalog import read_catalog
from unillmrec.catalog.formats.detection import sniff
from unillmrec.errors import CatalogError

LINES = '{"id": "a", "title": "A"}\n{"id": "b", "title": "B"}\n'
LIST = '[{"id": "a", "title": "A"}, {"id": "b", "title": "B"}]'
TABLE = "id,title\na,A\nb,B\n"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (LINES, "jsonl"),
        ("\ufeff\n " + LINES, "jsonl"),
        (LIST, "json"),
        ('{\n "items": [', "json"),
        ('{"items": [{"id": 1', "json"),
        ('{"n": 2, "items": [{"id": 1}]}', "json"),
        ('{"id": 1, "title": "x", "authors": [{"name": "y"}]}', "jsonl"),
        ('{"id": 1, broken\n{"id": 2}', "jsonl"),
        ('{"abstract": "a very long li', None),
        (TABLE, "csv"),
        ("id;title\na;b", "csv"),
        ("id|title\na|b", "csv"),
        ("id\ttitle\na\tb", "tsv"),
        ("PAR1\x15", "parquet"),
        ("only words", None),
        ("", None),
        ('# a, comment\n{"id": 1, "title": "x"}', None),
    ],
)
def test_guesses_the_format_from_the_first_bytes(head, expected):
    """It guesses only where that is safe."""
    guess = sniff(head.encode())

    assert expected == (guess and guess.name)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", LINES),
        ("a.ndjson", LINES),
        ("a.json", LINES),
        ("a.json", LIST),
        ("a.csv", TABLE),
        ("a.csv", TABLE.replace(",", ";")),
        ("a.tsv", TABLE.replace(",", "\t")),
        ("a.JSONL", LINES),
        ("a.txt", TABLE),
        ("a", LIST),
        ("a.csv", "\ufeff" + TABLE.replace("\n", "\r\n")),
        ("a.jsonl", "\ufeff" + LINES.replace("\n", "\r\n\r\n")),
        ("a.json", "\ufeff" + LIST),
        ("a.jsonl", LINES.rstrip()),
    ],
)
def test_every_format_gives_the_same_items(reader, name, content, zipped):
    """By name or by content, with or without a byte order mark, gzipped or not."""
    data = content.encode()

    items = list(reader(f"{name}.gz", gzip.compress(data)) if zipped else reader(name, data))

    assert [("a", "A", {}), ("b", "B", {})] == [(i.id, i.title, i.attributes) for i in items]


@pytest.mark.parametrize("content", [LINES, LIST, TABLE, TABLE.replace(",", "\t")])
def test_standard_input_needs_no_format(content):
    """The first bytes determine it, also through gzip."""
    plain = read_catalog("-", stdin=io.BytesIO(content.encode()))
    zipped = read_catalog("-", stdin=io.BytesIO(gzip.compress(content.encode())))

    assert ["a", "b"] == [item.id for item in plain] == [item.id for item in zipped]


@pytest.mark.parametrize(
    ("name", "content", "problem", "remedy"),
    [
        ("a.jsonl", LIST, "a.jsonl:1: this is a JSON document, not JSON Lines", "--format json"),
        ("a.jsonl", TABLE, "a.jsonl:1: this is CSV, not JSON Lines", "--format csv"),
        ("a.csv", LINES, "a.csv:1: this is JSON Lines, not CSV", "--format jsonl"),
        ("a.json", TABLE, "a.json:1: this is CSV, not a JSON document", "--format csv"),
        ("a.parquet", TABLE, "a.parquet:1: this is CSV, not Parquet", "--format csv"),
        ("a.csv", b"PK\x03\x04...", "a.csv: this is a zip archive or an Excel workbook", "unpack"),
        ("a.tree", b"SQLite format 3\0", "a.tree: this is an SQLite file", "name the catalog"),
        ("a.jsonl", b"\x28\xb5\x2f\xfd..", "a.jsonl: this is compressed with zstd", "decompress"),
        ("a.txt", "just words", "a.txt: its format is not clear; it begins 'just", "--format with"),
        ("a.jsonl", b"", "a.jsonl: it is empty.", ""),
    ],
)
def test_a_file_of_another_kind(refusal, name, content, problem, remedy):
    """The error says what the file is, before any row is read."""
    message = refusal(name, content)

    assert message.startswith(problem)
    assert remedy in message


def test_an_unknown_format_names_the_known_ones(refusal):
    """The error lists the formats."""
    message = refusal("a.jsonl", LINES, format="excel")

    assert message.startswith("a.jsonl: there is no format 'excel'.")
    assert "jsonl, json, csv, tsv, parquet" in message


@pytest.mark.parametrize(
    ("encoding", "named"),
    [
        ("utf-16", "UTF-16"),
        ("utf-32", "UTF-32"),
        ("utf-16-le", "UTF-16LE"),
        ("utf-16-be", "UTF-16BE"),
    ],
)
def test_wide_encodings_are_named(refusal, encoding, named):
    """The error gives the command that converts the file."""
    message = refusal("my films.csv", TABLE.encode(encoding))

    assert message.startswith("my films.csv:1: ")
    assert message.endswith(f"Try: iconv -f {named} -t UTF-8 'my films.csv' > 'utf8-my films.csv'")


def test_skipping_does_not_apply_to_the_whole_file():
    """A file in the wrong format is an error also with on_error="skip"."""
    with pytest.raises(CatalogError, match="this is a JSON document"):
        list(read_catalog("-", format="jsonl", on_error="skip", stdin=io.BytesIO(LIST.encode())))
