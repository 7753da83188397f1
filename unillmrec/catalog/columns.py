"""Which columns are the id, the title, the text and the path of an item."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from unillmrec.catalog.problems import catalog_error, listed, nearest, shown

# Compared without case, spaces and punctuation: "itemid" is item_id, Item ID and itemId.
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
# A list under these names is mostly a set of tags; one text is a place in a hierarchy.
_PATHS_IF_TEXT = ("category", "categories")
_ANYWHERE = (" > ", ">")
_MOSTLY = ("|", "/")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a catalog say what; everything else becomes an attribute.

    `None` means: look for the usual names. Several *text* columns are joined, several
    *path* columns are put behind one another, coarse to fine; an empty tuple means that
    there is none. *path_separator* parts a path that is written as one text; by default
    ` > `, `>`, `|` and `/` are tried on the first rows. Fields of nested objects are
    called `outer.inner`.
    """

    id: str | None = None
    title: str | None = None
    text: tuple[str, ...] | str | None = None
    path: tuple[str, ...] | str | None = None
    path_separator: str | None = None


@dataclass(frozen=True, slots=True)
class Roles:
    """The columns as they were found; *awaited* were asked for and not seen yet."""

    id: str
    title: str
    text: tuple[str, ...]
    path: tuple[str, ...]
    separator: str | None
    as_text: frozenset[str]
    awaited: frozenset[str]
    seen: tuple[str, ...]

    @property
    def taken(self) -> frozenset[str]:
        """The columns that are no attributes."""
        return frozenset((self.id, self.title, *self.text, *self.path))

    def columns(self) -> Columns:
        """Return what was decided, in the form in which it can be asked for."""
        text = tuple(name for name in self.text if name in self.seen)
        path = tuple(name for name in self.path if name in self.seen)
        return Columns(self.id, self.title, text, path, self.separator)


def resolve(
    columns: Columns,
    rows: Sequence[Mapping[str, object]],
    *,
    label: str,
    fixed: bool,
    as_text: Collection[str] = (),
) -> Roles:
    """Decide from the first *rows*, already flattened, which column is what.

    Where the columns are not *fixed* by a header, a text or path column may first turn up
    later; it is then *awaited*.

    Raises:
        CatalogError: there is no id or title, or a named column is missing.
    """
    seen = tuple(dict.fromkeys(name for row in rows for name in row))
    finder = _Finder(label, seen)
    text = _names(columns.text)
    path = _names(columns.path)
    named = dict.fromkeys([*(text or ()), *(path or ()), *as_text])
    awaited = frozenset(name for name in named if name not in seen)
    # A field of a nested object may be missing from the first rows of any format.
    if fixed and any(name.partition(".")[0] not in seen for name in awaited):
        raise missing_column(columns, awaited, seen, label=label)
    item_id = finder.find("id", columns.id, _IDS)
    title = finder.find("title", columns.title, [name for name in _TITLES if name != item_id])
    if text is None:
        # Names in their usual spelling are expected in later rows as well.
        text = tuple(dict.fromkeys([*finder.all(_TEXTS), *(() if fixed else _TEXTS)]))
        text = tuple(name for name in text if name not in (item_id, title, *(path or ())))
    if path is None:
        path = _usual_path(finder, rows, {item_id, title, *text})
    return Roles(
        item_id,
        title,
        text,
        path,
        columns.path_separator or guess_separator(_texts(rows, path)),
        frozenset(as_text),
        awaited,
        seen,
    )


def expected(columns: Columns) -> Roles:
    """Return the roles where there are no rows to look at, only names to go by."""
    return Roles(
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
    """Return what parts the levels in *values*, or `None` when they seem to have one level.

    A `|` or `/` has to be in half of them: "Audio/Video" is one category.
    """
    for separator in _ANYWHERE:
        if any(separator in value for value in values):
            return separator
    for separator in _MOSTLY:
        if 2 * sum(separator in value for value in values) >= max(1, len(values)):
            return separator
    return None


class _Finder:
    """The columns of one catalog, found by name and by usual name."""

    def __init__(self, label: str, seen: tuple[str, ...]) -> None:
        self._label = label
        self._seen = seen
        self._folded: dict[str, str] = {}
        for name in seen:
            self._folded.setdefault(_folded(name), name)

    def find(self, role: str, asked: str | None, usual: Sequence[str]) -> str:
        if asked is not None:
            if asked not in self._seen:
                raise self.missing(asked, f"--{role}")
            return asked
        if found := self.all(usual):
            return found[0]
        raise catalog_error(
            self._label,
            f"there is no column for the {role}",
            detail=f"The columns are {listed(self._seen)}.",
            remedy=f"--{role} with the name of the column.",
        )

    def all(self, usual: Iterable[str]) -> list[str]:
        return [self._folded[name] for name in usual if name in self._folded]

    def missing(self, name: str, flag: str) -> Exception:
        near = nearest(name, [each for each in self._seen if each.isprintable()])
        return catalog_error(
            self._label,
            f"there is no column {shown(name)}",
            detail=f"The columns are {listed(self._seen)}.",
            remedy=f"{flag} {shlex.quote(near)}" if near else f"{flag} with one of them.",
        )


def missing_column(
    columns: Columns, missing: Collection[str], seen: tuple[str, ...], *, label: str
) -> Exception:
    """Return the error for the first of the *missing* columns, named by *columns*."""
    name = min(missing)
    flag = "--as-text"
    for named, its_flag in ((columns.text, "--text"), (columns.path, "--path")):
        if name in (_names(named) or ()):
            flag = its_flag
    return _Finder(label, seen).missing(name, flag)


def _usual_path(
    finder: _Finder, rows: Sequence[Mapping[str, object]], taken: set[str]
) -> tuple[str, ...]:
    for name in finder.all(_PATHS):
        if name not in taken:
            return (name,)
    for name in finder.all(_PATHS_IF_TEXT):
        held = [row[name] for row in rows if row.get(name) not in (None, "")]
        if name not in taken and held and all(isinstance(value, str) for value in held):
            return (name,)
    return ()


def _texts(rows: Sequence[Mapping[str, object]], names: tuple[str, ...]) -> list[str]:
    values = (row.get(name) for row in rows for name in names)
    alone = (v[0] if isinstance(v, (list, tuple)) and len(v) == 1 else v for v in values)
    return [value for value in alone if isinstance(value, str) and value.strip()]


def _names(given: tuple[str, ...] | str | None) -> tuple[str, ...] | None:
    return (given,) if isinstance(given, str) else given


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name)).casefold()
