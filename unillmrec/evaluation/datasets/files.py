"""Files of a data set: found by name, packed or not, read line by line with their places."""

from __future__ import annotations

import csv
import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unillmrec.catalog.problems import shown
from unillmrec.errors import EvaluationError
from unillmrec.items import Item
from unillmrec.people.interactions import Interactions


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """The items of a data set, and who met them."""

    items: tuple[Item, ...]
    interactions: Interactions


def find(folder: Path, *patterns: str) -> Path:
    """Return the one file in *folder* that fits one of *patterns*, packed or not.

    Raises:
        EvaluationError: there is none, or there are several.
    """
    found = sorted(
        {path for each in patterns for end in ("", ".gz") for path in folder.glob(each + end)}
    )
    if len(found) == 1:
        return found[0]
    wanted = " or ".join(patterns)
    if not found:
        there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "nothing"
        raise EvaluationError(
            f"{folder} holds no {wanted}.",
            detail=f"It holds {there}.",
            remedy="the folder into which the set was unpacked.",
        )
    raise EvaluationError(
        f"{folder} holds several of {wanted}: {', '.join(path.name for path in found[:4])}.",
        remedy="a folder with one of them.",
    )


def lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[str, str]]:
    """Return the lines of a text that are not blank, each with its place for an error.

    Raises:
        EvaluationError: the file cannot be read, or is in another encoding.
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
        told = f"after line {number:,}: {error}" if number else str(error)
        raise EvaluationError(
            f"{path.name} cannot be read {told}.", remedy="get the file again."
        ) from error


def fields(place: str, line: str, separator: str, least: int) -> list[str]:
    """Return the fields of a line.

    Raises:
        EvaluationError: there are fewer than *least*.
    """
    found = line.split(separator)
    if len(found) < least:
        raise EvaluationError(
            f"{place}: {len(found)} fields where {least} are needed; it begins {shown(line, 40)}.",
            remedy="the file as its publisher hands it out.",
        )
    return found


def number(place: str, text: object, what: str) -> float:
    """Read a number.

    Raises:
        EvaluationError: it is none.
    """
    try:
        return float(str(text))
    except ValueError as error:
        raise EvaluationError(f"{place}: {shown(text)} is no {what}.") from error


def table(path: Path, needed: tuple[str, ...]) -> Iterator[tuple[str, dict[str, str]]]:
    """Return the rows of a CSV file none of whose fields holds a line break.

    Raises:
        EvaluationError: a column is missing, or a row has another number of fields.
    """
    placed = lines(path)
    header = next(placed, ("", ""))[1].lstrip("\ufeff")
    names = next(csv.reader([header]), [])
    if missing := [each for each in needed if each not in names]:
        raise EvaluationError(f"{path.name}: there is no column {missing[0]!r} in its header.")
    for place, line in placed:
        row = next(csv.reader([line]))
        if len(row) != len(names):
            raise EvaluationError(f"{place}: {len(row)} fields where {len(names)} are needed.")
        yield place, dict(zip(names, row, strict=True))


def objects(
    path: Path, read: Callable[[str], Any] = json.loads
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Return the objects of a file that has one on each line.

    Raises:
        EvaluationError: a line is none.
    """
    for place, line in lines(path):
        try:
            found = read(line)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise EvaluationError(
                f"{place}: this is no object; it begins {shown(line, 40)}."
            ) from error
        if not isinstance(found, Mapping):
            raise EvaluationError(f"{place}: this is no object; it begins {shown(line, 40)}.")
        yield place, found


def named(place: str, row: Mapping[str, Any], name: str) -> str:
    """Return an id.

    Raises:
        EvaluationError: there is none.
    """
    value = row.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise EvaluationError(f"{place}: there is no {name!r}.")
    return str(value)


def words(value: object) -> str:
    """Return a text, or the texts of a list one after the other."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list):
        return " ".join(filter(None, map(words, value)))
    return ""
