"""The file a batch writes: whole lines, in the order of the input or as they come."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from unillmrec.batch.journal import Journal, Outcome
from unillmrec.errors import BatchError

PROBLEMS = ".problems.jsonl"


class Output:
    """Lines beside the journal they come from, which decides what is in them.

    In the order of the input the file is written when a run ends. As they come, lines are
    added at once; what an earlier run wrote is written anew first, so that a torn line goes.
    """

    def __init__(self, path: Path, journal: Journal, *, as_they_come: bool) -> None:
        self.path = path
        self.problems_path = path.with_name(path.name + PROBLEMS)
        self._journal = journal
        self._as_they_come = as_they_come
        self._file: TextIO | None = None

    def begin(self) -> None:
        """Get ready for lines as they come."""
        if self._as_they_come:
            _write(self.path, self._journal.lines(as_they_came=True))
            with _told(self.path):
                self._file = self.path.open("a", encoding="utf-8")

    def add(self, line: str) -> None:
        """Write a line now, if lines are wanted as they come."""
        if self._file is not None:
            with _told(self.path):
                self._file.write(line + "\n")
                self._file.flush()

    def end(self, failed: Iterable[Outcome], *, finished: bool) -> None:
        """Write what there is, and beside it what could not be done and why."""
        if self._file is not None:
            self._file.close()
        if not finished and not self._journal.has_anything():
            return
        if not self._as_they_come:
            _write(self.path, self._journal.lines(as_they_came=False))
        problems = [
            json.dumps({"line": each.line, "id": each.id, "problem": each.text}, ensure_ascii=False)
            for each in (*self._journal.problems(), *failed)
        ]
        if problems:
            _write(self.problems_path, problems)
        else:
            self.problems_path.unlink(missing_ok=True)


def check_files(out: Path, written: Iterable[Path], read: Iterable[Path]) -> None:
    """Make sure that *out* can be written, and that nothing is written over what is read.

    Raises:
        BatchError: it cannot, or one file is both.
    """
    problem = ""
    if out.is_dir():
        problem = f"{out} is a folder."
    elif not out.parent.is_dir():
        problem = f"{out} cannot be written: there is no folder {out.parent}."
    if problem:
        raise BatchError(problem, detail="Nothing was asked.", remedy="another -o.")
    inputs = list(read)
    for path in (out, *written):
        for other in inputs:
            if _is_same(path, other):
                raise BatchError(
                    f"{path} would be written over {other}, which the batch needs.",
                    detail="Nothing was asked.",
                    remedy="another -o.",
                )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        # One of them is not there yet.
        return one.resolve() == other.resolve()


def _write(path: Path, lines: Iterable[str]) -> None:
    beside = path.with_name(path.name + ".part")
    with _told(path):
        with beside.open("w", encoding="utf-8", errors="replace") as file:
            file.writelines(line + "\n" for line in lines)
        beside.replace(path)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}.",
            detail="What was answered is in the journal; nothing is lost.",
            remedy="make room, and the same command again.",
        ) from error
