"""Read the category paths of a catalog into a tree of categories with clean labels."""

from __future__ import annotations

import html
import re
import unicodedata
from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from unillmrec.errors import TreeError
from unillmrec.items import Item, one_line
from unillmrec.tree.growing import Rows

LABEL_LENGTH = 60
# No shop has more levels: a longer path is a list of something else and would only cost calls.
DEEPEST = 32
# Labels that mean "no category".
_BLANKS = frozenset({"n/a", "nan", "none", "null"})
# Only these tags are markup: "<3" and "List<int>" are not.
_TAG_NAMES = (
    "a|abbr|b|big|blockquote|body|br|button|center|cite|code|dd|del|div|dl|dt|em|font|form|h[1-6]|"
    "head|header|hr|html|i|iframe|img|input|ins|label|li|link|meta|nav|ol|p|pre|q|s|script|section|"
    "small|span|strike|strong|style|sub|sup|svg|table|tbody|td|th|thead|tr|u|ul|wbr"
)
_TAG = re.compile(rf"</?(?:{_TAG_NAMES})(?:\s[^<>]*)?/?>|</(?:{_TAG_NAMES})\s*$", re.I)
_HIDDEN = re.compile(r"<!--.*?-->|<(script|style)\b[^<>]*>.*?</\1\s*>", re.I | re.S)
# A catalog may be escaped several times, as in "&amp;amp;quot;".
_ESCAPED_TIMES = 3

# How many items without a path are searched for attributes that could be one.
_SEARCHED_ITEMS = 10_000
_USUAL_NAMES = ("categor", "genre", "department", "section", "subject", "topic", "tag", "type")
_MOST_NAMED = 4


@dataclass(slots=True)
class Category:
    """A category: its label, the items directly in it, and its subcategories.

    *size* counts the items of both. Items directly in the root have no path.
    """

    label: str
    rows: Rows
    children: list[Category]
    size: int


@dataclass(frozen=True, slots=True)
class PathsRead:
    """How many categories a catalog has, and what was cleaned in its paths.

    *without* counts items without a path. The other counts are of labels or paths, each counted
    once however many items use it: labels with tags or entities (*html*), labels that were too
    long (*cut*), blank labels that were left out (*empty*), labels that differ from another only
    in case or spaces (*spellings*), and paths with too many levels (*deep*).
    """

    categories: int
    without: int
    html: int
    cut: int
    empty: int
    spellings: int
    deep: int


class PathReader:
    """Collects the path of each item while a catalog streams by."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], int] = {}
        self._of_items = array("i")
        self._candidates = _PathCandidates()

    def add(self, item: Item) -> None:
        """Add the path of the next item."""
        self._of_items.append(self._numbers.setdefault(item.path, len(self._numbers)))
        if not item.path and len(self._of_items) <= _SEARCHED_ITEMS:
            self._candidates.add(item)

    def finish(self) -> tuple[Category, PathsRead]:
        """Return the root of all categories, and the counts of what was cleaned.

        Raises:
            TreeError: no item has a path.
        """
        of_items = np.array(self._of_items, np.int64)
        parts = np.split(np.argsort(of_items, kind="stable"), np.cumsum(np.bincount(of_items))[:-1])
        cleaner = _Cleaner()
        root = _OpenCategory()
        for path, rows in zip(self._numbers, parts, strict=True):
            root.place(cleaner.clean(path), rows)
        if not root.children:
            raise self._candidates.error()
        category = root.category()
        return category, PathsRead(
            categories=root.count() - 1,
            without=len(category.rows),
            html=cleaner.html,
            cut=cleaner.cut,
            empty=cleaner.empty,
            spellings=root.other_spellings(),
            deep=cleaner.deep,
        )


@dataclass(frozen=True, slots=True)
class _Label:
    """A clean label as it is shown, and a key that is equal for equal labels."""

    key: str
    shown: str


class _Cleaner:
    """Cleans each label once, and counts what was cleaned."""

    def __init__(self) -> None:
        self.html = self.cut = self.empty = self.deep = 0
        self._known: dict[str, _Label | None] = {}

    def clean(self, path: tuple[str, ...]) -> list[_Label]:
        """Return the clean labels of a path, without blank ones."""
        labels = [label for label in map(self._label, path) if label is not None]
        self.deep += len(labels) > DEEPEST
        return labels[:DEEPEST]

    def _label(self, raw: str) -> _Label | None:
        if raw not in self._known:
            self._known[raw] = self._clean_label(raw)
        return self._known[raw]

    def _clean_label(self, raw: str) -> _Label | None:
        text = without_html(raw)
        self.html += text != raw
        # The key is the complete label, even if only its beginning is shown.
        label = one_line(text, max(len(text), 1))
        if not label or label.casefold() in _BLANKS:
            self.empty += 1
            return None
        self.cut += len(label) > LABEL_LENGTH
        key = unicodedata.normalize("NFKC", label).casefold()
        return _Label(key, one_line(label, LABEL_LENGTH))


def without_html(text: str) -> str:
    """Return *text* without HTML tags and with entities decoded."""
    for _ in range(_ESCAPED_TIMES):
        if "<" not in text and "&" not in text:
            break
        plain = html.unescape(_TAG.sub(" ", _HIDDEN.sub(" ", text)))
        if plain == text:
            break
        text = plain
    return text


@dataclass(slots=True)
class _OpenCategory:
    """A category to which paths are still being added."""

    spellings: Counter[str] = field(default_factory=Counter)
    parts: list[Rows] = field(default_factory=list)
    children: dict[str, _OpenCategory] = field(default_factory=dict)

    def place(self, labels: list[_Label], rows: Rows) -> None:
        category = self
        for label in labels:
            category = category.children.setdefault(label.key, _OpenCategory())
            category.spellings[label.shown] += len(rows)
        category.parts.append(rows)

    def category(self) -> Category:
        rows = np.sort(np.concatenate(self.parts)) if self.parts else np.zeros(0, np.int64)
        # Sorted by label, so that the order of the items does not matter.
        children = [self.children[key].category() for key in sorted(self.children)]
        label = self.spellings.most_common(1)[0][0] if self.spellings else ""
        return Category(label, rows, children, len(rows) + sum(child.size for child in children))

    def count(self) -> int:
        return 1 + sum(child.count() for child in self.children.values())

    def other_spellings(self) -> int:
        below = sum(child.other_spellings() for child in self.children.values())
        return max(len(self.spellings) - 1, 0) + below


class _PathCandidates:
    """Attributes that could hold paths, named in the error if a catalog has no paths."""

    def __init__(self) -> None:
        self._items = 0
        self._values: dict[str, Counter[object]] = {}

    def add(self, item: Item) -> None:
        self._items += 1
        for name, value in item.attributes.items():
            if isinstance(value, tuple) or (isinstance(value, str) and len(value) <= LABEL_LENGTH):
                self._values.setdefault(name, Counter())[value] += 1

    def error(self) -> TreeError:
        names = [one_line(name, 40) for name in self._names()]
        if not names:
            return TreeError(
                "no item has a category path, so there is no tree of paths.",
                detail="No attribute looks like a category either. Nothing was written.",
                remedy="--tree clusters.",
            )
        return TreeError(
            "no item has a category path, so there is no tree of paths.",
            detail=f"These columns could hold paths: {', '.join(names)}. Nothing was written.",
            remedy=f"--path {names[0]}, or --tree clusters.",
        )

    def _names(self) -> list[str]:
        """Return attributes whose values repeat, the most likely first."""
        used = {
            name: values.total()
            for name, values in self._values.items()
            if 2 * len(values) <= values.total() or self._items < 10
        }

        def by_likelihood(name: str) -> tuple[bool, int, str]:
            return not any(part in name.lower() for part in _USUAL_NAMES), -used[name], name

        return sorted(used, key=by_likelihood)[:_MOST_NAMED]
