"""Read a history from the command line, a file, or standard input."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from unillmrec.errors import PersonError

ID_COLUMNS = ("item_id", "item", "id", "itemid")
SUFFIXES = (".json", ".jsonl", ".csv", ".tsv", ".txt")
KNOWN_FORMATS = "a JSON list, JSON Lines, CSV with a column item_id, or one id per line"


def read_history(given: str | None) -> tuple[str, ...]:
    """Return item ids, oldest first, from ids separated by commas, a file, or `-` for stdin.

    Ids that contain commas can be given as a JSON list.

    Raises:
        PersonError: the file cannot be read, or holds no ids.
    """
    if given is None:
        return ()
    if given == "-":
        return parse_ids(_decoded(sys.stdin.buffer.read(), "standard input"), "standard input")
    path = Path(given)
    if _is_file(path):
        return parse_ids(_text_of(path), given)
    if given.lower().endswith(SUFFIXES):
        raise PersonError(
            f"there is no file {given}.", remedy="ids separated by commas, or another file."
        )
    if given.strip().startswith("[") and given.strip().endswith("]"):
        return _from_json(given, "the history")
    ids = tuple(each.strip() for each in given.split(",") if each.strip())
    if not ids:
        raise PersonError("the history is empty.", remedy="--history ID,ID…, or a file of ids.")
    return ids


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a hundred ids are longer than a file name can be
        return False


def _text_of(path: Path) -> str:
    try:
        return _decoded(path.read_bytes(), str(path))
    except OSError as error:
        raise PersonError(f"{path} cannot be read: {error.strerror}.") from error


def _decoded(content: bytes, label: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PersonError(f"{label} is not UTF-8.", remedy="save it as UTF-8.") from error


def parse_ids(text: str, label: str) -> tuple[str, ...]:
    """Return the ids in *text*, which is in one of the known formats.

    Raises:
        PersonError: there are none, or a line is in no known format.
    """
    lines = [
        (number, line.strip())
        for number, line in enumerate(text.splitlines(), start=1)
        if line.strip()
    ]
    if not lines:
        raise PersonError(f"{label} holds no item ids.", remedy=f"use {KNOWN_FORMATS}.")
    first = lines[0][1]
    if first.startswith("["):
        return _from_json(text, label)
    if first.startswith("{"):
        return tuple(_from_json_line(line, f"{label}:{number}") for number, line in lines)
    if column := _id_column(first):
        return _from_table([line for _, line in lines], column, label)
    if len(lines) == 1:
        return tuple(each.strip() for each in first.split(",") if each.strip())
    return tuple(line for _, line in lines)


def _from_json(text: str, label: str) -> tuple[str, ...]:
    try:
        values = json.loads(text)
    except ValueError as error:
        raise PersonError(
            f"{label} is not a JSON list: {error}.", remedy=f"use {KNOWN_FORMATS}."
        ) from error
    return tuple(_id_of(value, f"{label}, entry {n}") for n, value in enumerate(values, start=1))


def _from_json_line(line: str, place: str) -> str:
    try:
        return _id_of(json.loads(line), place)
    except ValueError as error:
        raise PersonError(f"{place}: not a JSON object: {error}.") from error


def _id_of(value: object, place: str) -> str:
    """Return a JSON value that is an id, or the id in a JSON object."""
    if isinstance(value, Mapping):
        for name in ID_COLUMNS:
            if name in value:
                return _id_of(value[name], place)
        _refuse(place, f"there is no field {' or '.join(map(repr, ID_COLUMNS))}")
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        _refuse(place, f"{value!r:.40} is not an item id")
    return str(value)


def _refuse(place: str, problem: str) -> NoReturn:
    raise PersonError(f"{place}: {problem}.", remedy=f"use {KNOWN_FORMATS}.")


def _id_column(header: str) -> str | None:
    """Return the name of the id column if *header* is the first line of a table."""
    names = [name.strip().strip('"') for name in header.replace("\t", ",").split(",")]
    return next((name for name in names if name.lower() in ID_COLUMNS), None)


def _from_table(lines: list[str], column: str, label: str) -> tuple[str, ...]:
    rows = csv.DictReader(lines, delimiter="\t" if "\t" in lines[0] else ",")
    ids = tuple(value for row in rows if (value := (row.get(column) or "").strip()))
    if not ids:
        raise PersonError(f"{label}: the column {column!r} holds no item ids.")
    return ids
