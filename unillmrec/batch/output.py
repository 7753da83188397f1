"""Write the output of a batch: whole lines, in the order of the input or as they are finished."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from unillmrec.batch.journal import FailedRow, Journal
from unillmrec.errors import BatchError
from unillmrec.system.json_lines import append_line, encode_line, replace_lines

PROBLEMS_SUFFIX = ".problems.jsonl"


class Output:
    """The output file, whose lines come from the journal.

    In the order of the input, the file is written when a run ends. *unordered* lines are appended
    as they are finished; the lines of earlier runs are rewritten first, which removes a line that
    a killed run left incomplete.
    """

    def __init__(self, path: Path, journal: Journal, *, unordered: bool) -> None:
        self.path = path
        self.problems_path = path.with_name(path.name + PROBLEMS_SUFFIX)
        self._journal = journal
        self._unordered = unordered
        self._file: TextIO | None = None

    def open(self) -> None:
        """Prepare to append lines, if they are unordered."""
        if self._unordered:
            _write_lines(self.path, self._journal.lines(unordered=True))
            with _write_errors(self.path):
                self._file = self.path.open("a", encoding="utf-8")

    def add(self, line: str) -> None:
        """Append a line, if lines are unordered."""
        if self._file is not None:
            with _write_errors(self.path):
                append_line(self._file, line)

    def close(self, failed: Iterable[FailedRow], *, finished: bool) -> None:
        """Write the output, and beside it the rows that were skipped or *failed*, with reasons."""
        if self._file is not None:
            self._file.close()
        if not finished and self._journal.is_empty():
            return
        if not self._unordered:
            _write_lines(self.path, self._journal.lines(unordered=False))
        problems = [
            encode_line({"line": each.line, "id": each.id, "problem": each.problem})
            for each in (*self._journal.skipped(), *failed)
        ]
        if problems:
            _write_lines(self.problems_path, problems)
        else:
            self.problems_path.unlink(missing_ok=True)


def check_files(out: Path, written: Iterable[Path], read: Iterable[Path]) -> None:
    """Check that *out* can be written, and that no file is both *written* and *read*.

    Raises:
        BatchError: it cannot, or one is.
    """
    problem = ""
    if out.is_dir():
        problem = f"{out} is a folder."
    elif not out.parent.is_dir():
        problem = f"{out} cannot be written: there is no folder {out.parent}."
    if problem:
        raise BatchError(problem, detail="No call was made.", remedy="another -o.")
    inputs = list(read)
    for path in (out, *written):
        for other in inputs:
            if _is_same(path, other):
                raise BatchError(
                    f"{path} would be written over {other}, which the batch needs.",
                    detail="No call was made.",
                    remedy="another -o.",
                )


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        # One of them does not exist yet.
        return one.resolve() == other.resolve()


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with _write_errors(path):
        replace_lines(path, lines)


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BatchError(
            f"{path} cannot be written: {error.strerror}.",
            detail="All replies are in the journal; nothing is lost.",
            remedy="free some space, and the same command again.",
        ) from error
