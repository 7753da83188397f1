"""Read the history of one person from the command line, a file, or standard input."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

from unillmrec.catalog.problems import RowProblem
from unillmrec.errors import PersonError
from unillmrec.people.fields import ITEM_COLUMNS, person_error, read_item_id, split_ids
from unillmrec.system.untrusted_json import parse_json

SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt")
KNOWN_FORMATS = "a JSON list, JSON Lines, CSV with a column item_id, or one id per line"


def read_history(argument: str | None) -> tuple[str, ...]:
    """Return item ids, oldest first, from ids separated by commas, a file, or `-`.

    A JSON list allows ids that contain commas.

    Raises:
        PersonError: the file cannot be read, or there are no ids.
    """
    if argument is None:
        return ()
    if argument == "-" or _is_file(Path(argument)):
        return read_id_file(argument)
    if argument.lower().endswith(SUFFIXES):
        raise PersonError(
            f"there is no file {argument}.", remedy="ids separated by commas, or another file."
        )
    if argument.strip().startswith("[") and argument.strip().endswith("]"):
        return _from_json_list(argument, "the history")
    ids = split_ids(argument)
    if not ids:
        raise PersonError("the history is empty.", remedy="--history ID,ID…, or a file of ids.")
    return ids


def read_id_file(source: str) -> tuple[str, ...]:
    """Return the ids in the file *source*, or in standard input if it is `-`.

    Raises:
        PersonError: the file cannot be read, or there are no ids.
    """
    if source == "-":
        return parse_ids(_decode(sys.stdin.buffer.read(), "standard input"), "standard input")
    try:
        content = Path(source).read_bytes()
    except OSError as error:
        raise PersonError(f"{source} cannot be read: {error.strerror}.") from error
    return parse_ids(_decode(content, source), source)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a long list of ids exceeds the maximum length of a file name
        return False


def _decode(content: bytes, label: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PersonError(f"{label} is not UTF-8.", remedy="save it as UTF-8.") from error


def parse_ids(text: str, label: str) -> tuple[str, ...]:
    """Return the ids in *text*, in any of the known formats; errors call the text *label*.

    Raises:
        PersonError: there are none, or a line is in none of the known formats.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if not lines:
        raise PersonError(f"{label} contains no item ids.", remedy=f"use {KNOWN_FORMATS}.")
    first = lines[0][1]
    if first.startswith("["):
        return _from_json_list(text, label)
    if first.startswith("{"):
        return tuple(_from_json_line(line, f"{label}:{number}") for number, line in lines)
    if column := _id_column(first):
        return _from_table([line for _, line in lines], column, label)
    if len(lines) == 1:
        return split_ids(first)
    return tuple(line for _, line in lines)


def _from_json_list(text: str, label: str) -> tuple[str, ...]:
    try:
        values = parse_json(text)
    except ValueError as error:
        raise PersonError(
            f"{label} is not a JSON list: {error}.", remedy=f"use {KNOWN_FORMATS}."
        ) from error
    return tuple(_item_id(value, f"{label}, entry {n}") for n, value in enumerate(values, start=1))


def _from_json_line(line: str, place: str) -> str:
    try:
        return _item_id(parse_json(line), place)
    except ValueError as error:
        raise PersonError(f"{place}: not a JSON object: {error}.") from error


def _item_id(value: object, place: str) -> str:
    try:
        return read_item_id(value)
    except RowProblem as problem:
        raise person_error(place, problem, f"use {KNOWN_FORMATS}.") from problem


def _id_column(header: str) -> str | None:
    """Return the column with the ids if *header* is the first line of a table."""
    names = [name.strip().strip('"') for name in header.replace("\t", ",").split(",")]
    return next((name for name in names if name.lower() in ITEM_COLUMNS), None)


def _from_table(lines: list[str], column: str, label: str) -> tuple[str, ...]:
    rows = csv.DictReader(lines, delimiter="\t" if "\t" in lines[0] else ",")
    try:
        ids = tuple(value for row in rows if (value := (row.get(column) or "").strip()))
    except csv.Error as error:
        raise PersonError(
            f"{label} is not a table: {error}.", remedy=f"use {KNOWN_FORMATS}."
        ) from error
    if not ids:
        raise PersonError(f"{label}: the column {column!r} contains no item ids.")
    return ids
