"""Decode JSON strictly, and describe its errors; shared by both JSON formats."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from unillmrec.catalog.problems import RowProblem, encoding_problem, quoted, quoted_list
from unillmrec.catalog.sources import ByteSource

SPACE = " \t\r\n"
_LIST_INSIDE = re.compile(rb'\{\s*"[^"]*"\s*:\s*\[\s*[{\]]')


def _refuse_constant(name: str) -> NoReturn:
    raise RowProblem(
        f"bad JSON: {name} is not a JSON number", remedy="write null for it, or leave it out."
    )


def _refuse_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return the object of these fields; `json` would silently keep the last of two values."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        duplicates = quoted_list(name for name in fields if names.count(name) > 1)
        raise RowProblem(
            f"bad JSON: an object names {duplicates} more than once",
            remedy="keep one of the values.",
        )
    return fields


decode = json.JSONDecoder(
    parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
).raw_decode
_decode_unchecked = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode


def decode_line(text: str, usual_names: int) -> tuple[Any, int]:
    """Return the value of *text*, and where it ends; faster if it has the usual number of names.

    A colon follows each name, so an object with as many names as there are colons has no
    duplicates.
    """
    if text.count(":") == usual_names:
        row, end = _decode_unchecked(text)
        if row.__class__ is dict and len(row) == usual_names:
            return row, end
    return decode(text)


def guess_json_format(start: bytes) -> str | None:
    """Return "json" or "jsonl" for the beginning of a file; `None` if it may be neither."""
    if start.startswith(b"["):
        return "json"
    return _guess_by_braces(start) if start.startswith(b"{") else None


def _guess_by_braces(start: bytes) -> str | None:
    first, _, rest = start.partition(b"\n")
    try:
        parsed = json.loads(first)
    except (ValueError, RecursionError):
        if b"\n{" in start:
            return "jsonl"
        return "json" if rest or _LIST_INSIDE.match(start) else None
    # A single line may be one item, or a document that contains the list of items.
    return "jsonl" if rest.strip() or not _is_document(parsed) else "json"


def _is_document(parsed: Mapping[str, object]) -> bool:
    if {"id", "title", "name"} & {name.lower() for name in parsed}:
        return False
    lists = (value for value in parsed.values() if isinstance(value, list))
    return any(isinstance(each, dict) for value in lists for each in value[:1])


def decoding_problem(source: ByteSource, error: UnicodeDecodeError) -> RowProblem:
    """Return the problem of a byte that is not UTF-8, with its column in its line."""
    begin = error.object.rfind(b"\n", 0, error.start) + 1
    line = error.object[begin : error.end + 1]
    path = str(source.path) if source.path else None
    return encoding_problem(line, error.start - begin, path=path, gzipped=source.gzipped)


def syntax_problem(error: json.JSONDecodeError, column: int) -> str:
    """Return a sentence about a syntax error, with the text around it."""
    near = error.doc[max(0, error.pos - 16) : error.pos + 16].strip()
    message = error.msg[0].lower() + error.msg[1:].removesuffix(" at")
    if message.startswith("unterminated"):
        message = "the text that begins here is never closed"
    context = f", near {quoted(near)}" if near else ""
    return f"bad JSON at column {column}: {message}{context}"


def other_problem(error: Exception) -> RowProblem:
    """Return the problem for an error of the decoder that is not about syntax."""
    if isinstance(error, RowProblem):
        return error
    if isinstance(error, RecursionError):
        return RowProblem("bad JSON: lists or objects are nested too deeply")
    return RowProblem("bad JSON: a number has too many digits")


def not_one_object(row: object, text: str, end: int) -> RowProblem:
    """Return the problem of a row that is not exactly one JSON object."""
    if end < len(text):
        return RowProblem(f"bad JSON at column {end + 1}: more follows after the first value")
    nouns = {list: "a list", str: "a text", type(None): "null", bool: "true or false"}
    return RowProblem(f"an item is a JSON object, but this is {nouns.get(type(row), 'a number')}")
