"""Find the columns that hold the id, the title, the text and the path of items."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from unillmrec.catalog.problems import catalog_error, nearest_name, quoted, quoted_list

# Compared without case, spaces and punctuation: "itemid" matches item_id, Item ID and itemId.
_IDS = (
    "id",
    "itemid",
    "asin",
    "parentasin",
    "sku",
    "productid",
    "movieid",
    "filmid",
    "showid",
    "bookid",
    "newsid",
    "articleid",
    "paperid",
    "trackid",
    "songid",
    "artistid",
    "gameid",
    "appid",
    "courseid",
    "videoid",
    "recipeid",
    "isbn",
    "isbn13",
    "tconst",
    "uid",
    "uuid",
)
_TITLES = (
    "title",
    "name",
    "itemtitle",
    "itemname",
    "producttitle",
    "productname",
    "movietitle",
    "filmtitle",
    "booktitle",
    "primarytitle",
    "headline",
)
_TEXTS = ("text", "description", "abstract", "summary", "overview", "synopsis", "plot")
_PATHS = ("path", "categorypath", "taxonomy", "breadcrumbs")
# Under these names a list is usually a set of tags, and a single text a place in a hierarchy.
_PATHS_IF_TEXT = ("category", "categories")
# Separators of path levels: one occurrence of these is enough …
_CERTAIN_SEPARATORS = (" > ", ">")
# … and these have to be in half of the values.
_LIKELY_SEPARATORS = ("|", "/")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a catalog that make up an item; all others become attributes.

    `None` means to look for the usual names, an empty tuple that there is no such column. Several
    *text* columns are joined; several *path* columns make one path, coarse to fine.
    *path_separator* separates the levels of a path written as one text; by default it is chosen
    from ` > `, `>`, `|` and `/` by the first rows. Fields of nested objects are named
    `outer.inner`.
    """

    id: str | None = None
    title: str | None = None
    text: tuple[str, ...] | str | None = None
    path: tuple[str, ...] | str | None = None
    path_separator: str | None = None


@dataclass(frozen=True, slots=True)
class ColumnRoles:
    """The columns found for each role; *missing* ones were requested and not seen so far."""

    id: str
    title: str
    text: tuple[str, ...]
    path: tuple[str, ...]
    separator: str | None
    as_text: frozenset[str]
    missing: frozenset[str]
    seen: tuple[str, ...]

    @property
    def used(self) -> frozenset[str]:
        """The columns that are not attributes."""
        return frozenset((self.id, self.title, *self.text, *self.path))

    def columns(self) -> Columns:
        """Return the roles in the form in which they can be requested."""
        text = tuple(name for name in self.text if name in self.seen)
        path = tuple(name for name in self.path if name in self.seen)
        return Columns(self.id, self.title, text, path, self.separator)


def assign_roles(
    columns: Columns,
    rows: Sequence[Mapping[str, object]],
    *,
    label: str,
    fixed: bool,
    as_text: Collection[str] = (),
) -> ColumnRoles:
    """Assign the columns of the first *rows*, already flattened, to roles.

    Where the columns are not *fixed* by a header, requested text and path columns may appear in
    later rows only; until then they count as *missing*.

    Raises:
        CatalogError: there is no id or title, or a named column is missing.
    """
    seen = tuple(dict.fromkeys(name for row in rows for name in row))
    finder = _ColumnFinder(label, seen)
    text = _names(columns.text)
    path = _names(columns.path)
    requested = dict.fromkeys([*(text or ()), *(path or ()), *as_text])
    missing = frozenset(name for name in requested if name not in seen)
    # A field of a nested object may be missing from the first rows of any format.
    if fixed and any(name.partition(".")[0] not in seen for name in missing):
        raise missing_column_error(columns, missing, seen, label=label)
    item_id = finder.find("id", columns.id, _IDS)
    title = finder.find("title", columns.title, [name for name in _TITLES if name != item_id])
    if text is None:
        # The usual names may also appear in later rows.
        text = tuple(dict.fromkeys([*finder.all(_TEXTS), *(() if fixed else _TEXTS)]))
        text = tuple(name for name in text if name not in (item_id, title, *(path or ())))
    if path is None:
        path = _usual_path(finder, rows, {item_id, title, *text})
    return ColumnRoles(
        item_id,
        title,
        text,
        path,
        columns.path_separator or guess_separator(_texts(rows, path)),
        frozenset(as_text),
        missing,
        seen,
    )


def default_roles(columns: Columns) -> ColumnRoles:
    """Return the roles for a catalog without rows, from the requested and the usual names."""
    return ColumnRoles(
        columns.id or "id",
        columns.title or "title",
        _TEXTS if (text := _names(columns.text)) is None else text,
        _PATHS[:1] if (path := _names(columns.path)) is None else path,
        columns.path_separator,
        frozenset(),
        frozenset(),
        (),
    )


def guess_separator(values: Sequence[str]) -> str | None:
    """Return the separator of path levels in *values*, or `None` if they seem to have one level.

    A `|` or `/` must be in half of them: "Audio/Video" is one category.
    """
    for separator in _CERTAIN_SEPARATORS:
        if any(separator in value for value in values):
            return separator
    for separator in _LIKELY_SEPARATORS:
        if 2 * sum(separator in value for value in values) >= max(1, len(values)):
            return separator
    return None


class _ColumnFinder:
    """Finds columns of one catalog by requested and by usual names."""

    def __init__(self, label: str, seen: tuple[str, ...]) -> None:
        self._label = label
        self._seen = seen
        self._folded: dict[str, str] = {}
        for name in seen:
            self._folded.setdefault(_folded(name), name)

    def find(self, role: str, requested: str | None, usual: Sequence[str]) -> str:
        if requested is not None:
            if requested not in self._seen:
                raise self.missing_error(requested, f"--{role}")
            return requested
        if columns := self.all(usual):
            return columns[0]
        raise catalog_error(
            self._label,
            f"there is no column for the {role}",
            detail=f"The columns are {quoted_list(self._seen)}.",
            remedy=f"--{role} with the name of the column.",
        )

    def all(self, usual: Iterable[str]) -> list[str]:
        return [self._folded[name] for name in usual if name in self._folded]

    def missing_error(self, name: str, flag: str) -> Exception:
        near = nearest_name(name, [each for each in self._seen if each.isprintable()])
        return catalog_error(
            self._label,
            f"there is no column {quoted(name)}",
            detail=f"The columns are {quoted_list(self._seen)}.",
            remedy=f"{flag} {shlex.quote(near)}" if near else f"{flag} with one of them.",
        )


def missing_column_error(
    columns: Columns, missing: Collection[str], seen: tuple[str, ...], *, label: str
) -> Exception:
    """Return the error about the first of the *missing* columns, with the flag that named it."""
    name = min(missing)
    flag = "--as-text"
    for names, names_flag in ((columns.text, "--text"), (columns.path, "--path")):
        if name in (_names(names) or ()):
            flag = names_flag
    return _ColumnFinder(label, seen).missing_error(name, flag)


def _usual_path(
    finder: _ColumnFinder, rows: Sequence[Mapping[str, object]], used: set[str]
) -> tuple[str, ...]:
    for name in finder.all(_PATHS):
        if name not in used:
            return (name,)
    for name in finder.all(_PATHS_IF_TEXT):
        values = [row[name] for row in rows if row.get(name) not in (None, "")]
        if name not in used and values and all(isinstance(value, str) for value in values):
            return (name,)
    return ()


def _texts(rows: Sequence[Mapping[str, object]], names: tuple[str, ...]) -> list[str]:
    values = (row.get(name) for row in rows for name in names)
    single = (v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v for v in values)
    return [value for value in single if isinstance(value, str) and value.strip()]


def _names(names: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    return (names,) if isinstance(names, str) else names


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
