"""What is wrong with a row or with a whole catalog, put into words."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence

from unillmrec.errors import CatalogError

NOTHING_WRITTEN = "Nothing was written."


class RowProblem(Exception):
    """One row cannot be used; the reader decides whether to stop or to skip it.

    *problem* is a clause without the place, *remedy* what to do about it, if that is
    more than correcting the row.
    """

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def catalog_error(place: str, problem: str, *, detail: str = "", remedy: str = "") -> CatalogError:
    """Return the error that says *problem* about *place*, and that nothing was written."""
    return CatalogError(
        f"{place}: {problem}.",
        detail=f"{detail} {NOTHING_WRITTEN}".lstrip(),
        remedy=remedy,
    )


def shown(value: object, limit: int = 60) -> str:
    """Quote *value* for a message: one line, nothing invisible, at most *limit* characters."""
    text = repr(value[: limit * 2] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[: limit - 2]}…{text[0]}"


def listed(names: Iterable[str], limit: int = 24) -> str:
    """Quote *names* with commas between, and count those beyond *limit*."""
    every = list(names)
    text = ", ".join(shown(name) for name in every[:limit])
    return f"{text} and {len(every) - limit:,} more" if len(every) > limit else text


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the one of *names* that *name* may be a misspelling of."""
    by_folded = {each.casefold(): each for each in names}
    found = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def not_utf8(line: bytes, position: int, *, path: str | None, gzipped: bool) -> RowProblem:
    """Say which byte of *line* is not UTF-8, what the encoding may be, and how to convert it."""
    around = line[max(0, position - 1) : position] + line[position + 1 : position + 2]
    # Latin-1 puts one high byte among plain letters; two in a row speak for another encoding.
    likely = around.isascii()
    return RowProblem(
        f"byte 0x{line[position]:02X} at column {position + 1} is not UTF-8"
        + ("; it looks like Latin-1 or Windows-1252" if likely else ""),
        remedy=conversion(path, "WINDOWS-1252" if likely else "ENCODING", gzipped=gzipped),
    )


def conversion(path: str | None, encoding: str, *, gzipped: bool) -> str:
    """Return the command that writes the file at *path* as UTF-8."""
    convert = f"iconv -f {encoding} -t UTF-8"
    if path is None:
        return f"put `{convert}` before this command in the pipe."
    source = shlex.quote(path)
    if gzipped:
        return f"gzip -dc {source} | {convert} | gzip > {shlex.quote('utf8-' + _last(path))}"
    return f"{convert} {source} > {shlex.quote('utf8-' + _last(path))}"


def _last(path: str) -> str:
    return path.replace("\\", "/").rsplit("/", 1)[-1]
