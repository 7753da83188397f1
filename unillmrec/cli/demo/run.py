"""The demo as the command line asks for it: who reads, and where the tree goes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from unillmrec.demo import Reader, books, reader_named
from unillmrec.demo.walkthrough import Performance, perform
from unillmrec.errors import StoreError
from unillmrec.people.history import read_history
from unillmrec.stages import Person

FILE_NAME = "books.tree"
CATALOG_NAME = "books.jsonl"


@dataclass(frozen=True, slots=True)
class Shown:
    """What was performed, for whom; *kept* is the tree's file if it is still there."""

    performance: Performance
    reader: Reader | None
    kept: Path | None


def perform_for(name: str, history: str | None, like: str | None, keep: Path | None) -> Shown:
    """Perform for a history or a sentence if there is one, else for the reader called *name*."""
    reader = None if history or like else reader_named(name)
    ids = reader.history if reader else read_history(history)
    person = Person(ids, like or "")
    if keep is not None:
        path = _kept(keep)
        with books() as catalog:
            copyfile(catalog, keep / CATALOG_NAME)
        return Shown(perform(path, person), reader, path)
    with tempfile.TemporaryDirectory(prefix="unillmrec-demo-") as folder:
        return Shown(perform(Path(folder) / FILE_NAME, person), reader, None)


def _kept(folder: Path) -> Path:
    for name in (FILE_NAME, CATALOG_NAME):
        if (folder / name).exists():
            raise StoreError(
                f"{folder / name} exists already.",
                detail="Nothing was changed.",
                remedy="another --keep, or remove the file.",
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{folder} cannot be made: {error.strerror}.") from error
    return folder / FILE_NAME
