"""Read the files of a data set line by line, gzipped or not, with places for error messages."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from unillmrec.catalog.problems import quoted
from unillmrec.errors import EvaluationError
from unillmrec.items import Item
from unillmrec.people.interactions import Interactions


@dataclass(frozen=True, slots=True)
class LoadedDataset:
    """The items of a data set, and its interactions."""

    items: tuple[Item, ...]
    interactions: Interactions


def find_file(folder: Path, *patterns: str) -> Path:
    """Return the only file in *folder* that matches one of *patterns*, gzipped or not.

    Raises:
        EvaluationError: there is none, or there are several.
    """
    matches = sorted(
        {path for each in patterns for end in ("", ".gz") for path in folder.glob(each + end)}
    )
    if len(matches) == 1:
        return matches[0]
    wanted = " or ".join(patterns)
    if not matches:
        content = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise EvaluationError(
            f"{folder} contains no {wanted}.",
            detail=f"It contains {content}.",
            remedy="the folder into which the set was unpacked.",
        )
    raise EvaluationError(
        f"{folder} contains several of {wanted}: {', '.join(path.name for path in matches[:4])}.",
        remedy="a folder with one of them.",
    )


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[str, str]]:
    """Yield the lines of a text file that are not blank, each with its place for errors.

    Raises:
        EvaluationError: the file cannot be read, or has another encoding.
    """
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                text = raw.decode(encoding).rstrip("\r\n")
                if text.strip():
                    yield f"{path.name}:{number}", text
    except UnicodeDecodeError as error:
        raise EvaluationError(f"{path.name}:{number + 1} is not {encoding.upper()}.") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = f"after line {number:,}: {error}" if number else str(error)
        raise EvaluationError(
            f"{path.name} cannot be read {reason}.", remedy="download the file again."
        ) from error


def split_fields(place: str, line: str, separator: str, least: int) -> list[str]:
    """Return the fields of a line.

    Raises:
        EvaluationError: there are fewer than *least*.
    """
    fields = line.split(separator)
    if len(fields) < least:
        raise EvaluationError(
            f"{place}: {len(fields)} fields where {least} are needed; "
            f"it begins {quoted(line, 40)}.",
            remedy="the file as its publisher distributes it.",
        )
    return fields


def parse_number(place: str, text: object, kind: str) -> float:
    """Read a number; *kind* says in errors which one.

    Raises:
        EvaluationError: it is not a number.
    """
    try:
        return float(str(text))
    except ValueError as error:
        raise EvaluationError(f"{place}: {quoted(text)} is not a {kind}.") from error


def parse_date(place: str, text: object, format: str, example: str) -> datetime:
    """Read a date in the `strptime` *format*.

    Raises:
        EvaluationError: it has another format.
    """
    try:
        return datetime.strptime(str(text), format)
    except ValueError as error:
        raise EvaluationError(f"{place}: {text!r} is not a time such as {example}.") from error


def read_table(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the rows of a CSV file whose fields contain no line breaks.

    Raises:
        EvaluationError: a column is missing, or a row has another number of fields.
    """
    lines = read_lines(path)
    header = next(lines, ("", ""))[1].lstrip("\ufeff")
    names = next(csv.reader([header]), [])
    if missing := [each for each in needed if each not in names]:
        raise EvaluationError(f"{path.name}: there is no column {missing[0]!r} in its header.")
    for place, line in lines:
        row = next(csv.reader([line]))
        if len(row) != len(names):
            raise EvaluationError(f"{place}: {len(row)} fields where {len(names)} are needed.")
        yield place, dict(zip(names, row, strict=True))


def read_objects(
    path: Path, parse: Callable[[str], Any] = json.loads
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the objects of a file with one object per line.

    Raises:
        EvaluationError: a line is not an object.
    """
    for place, line in read_lines(path):
        try:
            row = parse(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise _not_an_object(place, line) from error
        if not isinstance(row, Mapping):
            raise _not_an_object(place, line)
        yield place, row


def _not_an_object(place: str, line: str) -> EvaluationError:
    return EvaluationError(f"{place}: this is not an object; it begins {quoted(line, 40)}.")


def get_id(place: str, row: Mapping[str, Any], name: str) -> str:
    """Return the id in the field *name*.

    Raises:
        EvaluationError: there is none.
    """
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise EvaluationError(f"{place}: there is no {name!r}.")
    return str(value)


def join_texts(value: object) -> str:
    """Return a text, or the texts in a list joined by spaces; empty for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return " ".join(filter(None, map(join_texts, value)))
    return ""
