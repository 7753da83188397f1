"""What a node says about itself, and the line a judge reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from unillmrec.items import one_line

LINE_WORDS = 5
LINE_TITLES = 1
TITLE_LENGTH = 48
SUMMARY_LENGTH = 160
_WORD = re.compile(r"[^\W_]+")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
LABEL_LENGTH = 60
# Several category labels joined; cut, two names could come to look the same.
NAME_LENGTH = 140


@dataclass(frozen=True, slots=True)
class Range:
    """The values most of a node's items have in a numeric attribute."""

    attribute: str
    low: float
    high: float

    def text(self) -> str:
        """Return the range as people write it."""
        low, high = _number(self.low), _number(self.high)
        return f"{one_line(self.attribute, 24)} {low if low == high else f'{low}–{high}'}"  # noqa: RUF001 (a dash between numbers)


def _number(value: float) -> str:
    whole = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if whole else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Description:
    """The words that set a node apart from its siblings, typical titles, and value ranges.

    *summary* is what a model wrote; it replaces the words where it is there. *typical* are
    the numbers of the items that *titles* come from. *name* is the catalog's own name for the
    node, if it comes from a path; it comes before all else.
    """

    words: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    summary: str = ""
    typical: tuple[int, ...] = ()
    name: str = ""

    @property
    def label(self) -> str:
        """Return a short name for a breadcrumb or a tree drawing."""
        if name := one_line(self.name, NAME_LENGTH):
            return name
        told = (self.summary, ", ".join(self.words[:3]), "".join(self.titles[:1]))
        return next(filter(None, (one_line(each, LABEL_LENGTH) for each in told)), "unlabelled")

    @property
    def about(self) -> str:
        """Return what the node holds: its name, and its summary or its words."""
        told = beyond_names(self.words, self.name)[:LINE_WORDS]
        said = one_line(self.summary, SUMMARY_LENGTH) or ", ".join(told)
        return ": ".join(filter(None, (one_line(self.name, NAME_LENGTH), said)))

    def line(self, count: int) -> str:
        """Return the one line that stands for the node among its siblings."""
        return _line(self, count)

    def to_json(self) -> str:
        """Return the description as the store keeps it."""
        kept = {name: getattr(self, name) for name in self.__slots__}
        kept["ranges"] = [[each.attribute, each.low, each.high] for each in self.ranges]
        return _encode(kept)

    @staticmethod
    def from_json(text: str) -> Description:
        """Read what `to_json` wrote."""
        return _read(text)


# Every walk reads the top of the tree, and nearly every one counts the same items below it.
@lru_cache(4_096)
def _line(told: Description, count: int) -> str:
    parts = [f"{told.about} ({count:,})" if told.about else f"({count:,})"]
    parts += [each.text() for each in told.ranges[:2]]
    titles = [one_line(title, TITLE_LENGTH) for title in told.titles[:LINE_TITLES]]
    return "; ".join(parts) + (": " + " / ".join(titles) if titles else "")


# In a packed description; no text can look like it, for its quotes would be escaped.
_AFTER_WORDS = ',"titles":['


def with_words(packed: str, words: Sequence[str]) -> str:
    """Return a packed description with other words, all else as it was."""
    return f'{{"words":{_encode(list(words))}{packed[packed.index(_AFTER_WORDS) :]}'


@lru_cache(4_096)
def _read(text: str) -> Description:
    kept = json.loads(text)
    return Description(
        tuple(kept["words"]),
        tuple(kept["titles"]),
        tuple(Range(*each) for each in kept["ranges"]),
        kept["summary"],
        tuple(kept["typical"]),
        kept.get("name", ""),
    )


def beyond_names(words: Sequence[str], names: str) -> tuple[str, ...]:
    """Return the words that say more than *names* do; "shampoo" says no more than "Shampoos"."""
    if not names:
        return tuple(words)
    said = " " + " ".join(_WORD.findall(names.lower()))
    return tuple(word for word in words if f" {word}" not in said)


def breadcrumb(descriptions: Sequence[Description]) -> str:
    """Return the labels from the root's child downwards, as one path."""
    return " > ".join(each.label for each in descriptions)
