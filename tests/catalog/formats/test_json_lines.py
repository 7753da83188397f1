"""JSON Lines: places and damage."""

from __future__ import annotations

import gzip
import json

import pytest

from unillmrec.catalog.formats import json_lines

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
def test_a_line_that_is_not_a_json_object(refusal, line, problem):
    """The error has the line, the column, and the text around it."""
    assert refusal("a.jsonl", GOOD + "\n" + line + "\n").startswith(f"a.jsonl:3: {problem}")


@pytest.mark.parametrize(
    ("encoding", "text", "guess", "command"),
    [
        ("latin-1", "café x", "; it looks like Latin-1 or Windows-1252.", "-f WINDOWS-1252"),
        ("shift-jis", "日本", ".", "-f ENCODING"),
    ],
)
def test_a_line_that_is_not_utf8(refusal, encoding, text, guess, command):
    """The error has the byte, its column, the likely encoding, and a command to convert it."""
    line = GOOD.replace("A", text).encode(encoding)
    column = next(position for position, byte in enumerate(line, start=1) if byte > 127)

    message = refusal("a.jsonl", GOOD.encode() + line)

    place = f"a.jsonl:2: byte 0x{line[column - 1]:02X} at column {column}"
    assert message.startswith(f"{place} is not UTF-8{guess}")
    assert f"iconv {command} -t UTF-8 a.jsonl > utf8-a.jsonl" in message


def test_gzipped_files_are_converted_through_a_pipe(refusal):
    """The suggested command works for a gzipped file."""
    packed = gzip.compress(GOOD.encode() + b'{"id": "b", "title": "\xe9"}')

    assert refusal("a.jsonl.gz", packed).endswith(
        "gzip -dc a.jsonl.gz | iconv -f WINDOWS-1252 -t UTF-8 | gzip > utf8-a.jsonl.gz"
    )


def test_a_line_of_ten_megabytes_is_read(reader):
    """Long lines are allowed."""
    title = "x" * 10_000_000

    (item,) = reader("a.jsonl", json.dumps({"id": 1, "title": title}))

    assert title == item.title


def test_an_endless_line_is_refused(refusal, monkeypatch):
    """A line beyond the limit means another format, and would fill the memory."""
    monkeypatch.setattr(json_lines, "MAX_LINE", 1 << 20)

    message = refusal("a.jsonl", GOOD + json.dumps({"id": 2, "title": "x" * (1 << 20)}))

    assert message.startswith("a.jsonl:2: the line is longer than 1 MiB.")
