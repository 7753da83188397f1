"""The bundled data of `unillmrec demo`: a catalog of books, and a few readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from unillmrec.errors import PersonError

LICENCE = "The catalog was written for unillmrec: real books, own words, under the MIT License."


@dataclass(frozen=True, slots=True)
class Reader:
    """A bundled person; *history* is a list of book ids, oldest first."""

    id: str
    name: str
    about: str
    history: tuple[str, ...]


@contextmanager
def books() -> Iterator[Path]:
    """Yield the path of the bundled catalog, also if the package is in a zip file."""
    with as_file(files(__name__) / "books.jsonl") as path:
        yield path


def readers() -> tuple[Reader, ...]:
    """Return the bundled people."""
    text = (files(__name__) / "people.jsonl").read_text(encoding="utf-8")
    people = [json.loads(line) for line in text.splitlines() if line]
    return tuple(
        Reader(each["id"], each["name"], each["about"], tuple(each["history"])) for each in people
    )


def find_reader(name: str) -> Reader:
    """Return the reader called *name*.

    Raises:
        PersonError: there is none.
    """
    known = {each.id: each for each in readers()}
    try:
        return known[name.lower()]
    except KeyError as error:
        raise PersonError(
            f"there is no reader {name!r} in the demo.",
            remedy=f"--person {', '.join(known)}; or --history, or --like.",
        ) from error
