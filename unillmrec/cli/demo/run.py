"""Run the demo as its flags say."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile

from unillmrec.cli.demo.request import DemoRequest
from unillmrec.demo import Reader, books, find_reader
from unillmrec.demo.walkthrough import Walkthrough, run_walkthrough
from unillmrec.errors import StoreError
from unillmrec.people.history import read_history
from unillmrec.stages import Person

FILE_NAME = "books.tree"
CATALOG_NAME = "books.jsonl"


@dataclass(frozen=True, slots=True)
class DemoOutcome:
    """What the demo has done, and for whom; *kept* is the tree file, if it still exists."""

    walkthrough: Walkthrough
    reader: Reader | None
    kept: Path | None


def run_demo(request: DemoRequest) -> DemoOutcome:
    """Recommend for a history or a sentence if one is given, else for a bundled reader.

    Raises:
        StoreError: the files to keep exist already, or cannot be written.
    """
    reader = None if request.history or request.like else find_reader(request.person)
    ids = reader.history if reader else read_history(request.history)
    person = Person(ids, request.like or "")
    if request.keep is not None:
        path = _prepare_folder(request.keep)
        with books() as catalog:
            copyfile(catalog, request.keep / CATALOG_NAME)
        return DemoOutcome(run_walkthrough(path, person), reader, path)
    with tempfile.TemporaryDirectory(prefix="unillmrec-demo-") as folder:
        return DemoOutcome(run_walkthrough(Path(folder) / FILE_NAME, person), reader, None)


def _prepare_folder(folder: Path) -> Path:
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
