"""Error messages about rows and catalogs, and how they quote values and names."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable, Sequence

from unillmrec.errors import CatalogError

NOTHING_WRITTEN = "Nothing was written."


class RowProblem(Exception):
    """A row that cannot be used; the reader either stops or skips it.

    *problem* is a clause without the place of the row; *remedy* says what to do, if that is more
    than to correct the row.
    """

    def __init__(self, problem: str, *, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


def catalog_error(place: str, problem: str, *, detail: str = "", remedy: str = "") -> CatalogError:
    """Return the error about a *place* in a catalog; it adds that nothing was written."""
    return CatalogError(
        f"{place}: {problem}.",
        detail=f"{detail} {NOTHING_WRITTEN}".lstrip(),
        remedy=remedy,
    )


def quoted(value: object, limit: int = 60) -> str:
    """Quote *value* for a message: on one line, all visible, with at most *limit* characters."""
    text = repr(value[: limit * 2] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[: limit - 2]}…{text[0]}"


def quoted_list(names: Iterable[str], limit: int = 24) -> str:
    """Quote *names*, separated by commas, and count those beyond *limit*."""
    every = list(names)
    text = ", ".join(quoted(name) for name in every[:limit])
    return f"{text} and {len(every) - limit:,} more" if len(every) > limit else text


def nearest_name(name: str, names: Sequence[str]) -> str | None:
    """Return the one of *names* that *name* may be a misspelling of."""
    by_folded = {each.casefold(): each for each in names}
    matches = difflib.get_close_matches(name.casefold(), list(by_folded), n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else None


def encoding_problem(line: bytes, position: int, *, path: str | None, gzipped: bool) -> RowProblem:
    """Return the problem of a byte that is not UTF-8, with its encoding and a way to convert it."""
    neighbours = line[max(0, position - 1) : position] + line[position + 1 : position + 2]
    # In Latin-1 text a high byte stands among plain letters; two in a row mean another encoding.
    is_latin = neighbours.isascii()
    return RowProblem(
        f"byte 0x{line[position]:02X} at column {position + 1} is not UTF-8"
        + ("; it looks like Latin-1 or Windows-1252" if is_latin else ""),
        remedy=conversion_command(
            path, "WINDOWS-1252" if is_latin else "ENCODING", gzipped=gzipped
        ),
    )


def conversion_command(path: str | None, encoding: str, *, gzipped: bool) -> str:
    """Return the shell command that writes the file at *path* as UTF-8."""
    convert = f"iconv -f {encoding} -t UTF-8"
    if path is None:
        return f"put `{convert}` before this command in the pipe."
    source = shlex.quote(path)
    target = shlex.quote("utf8-" + path.replace("\\", "/").rsplit("/", 1)[-1])
    if gzipped:
        return f"gzip -dc {source} | {convert} | gzip > {target}"
    return f"{convert} {source} > {target}"
