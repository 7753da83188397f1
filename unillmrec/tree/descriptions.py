"""Descriptions of nodes, and the line that a judge reads."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import index

from unillmrec.items import one_line

LINE_WORDS = 5
LINE_TITLES = 1
TITLE_LENGTH = 48
SUMMARY_LENGTH = 160
_WORD = re.compile(r"[^\W_]+")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
LABEL_LENGTH = 60
# Names may join several category labels; if they were cut, two of them could look the same.
NAME_LENGTH = 140


@dataclass(frozen=True, slots=True)
class Range:
    """The range of values that most items of a node have in a numeric attribute."""

    attribute: str
    low: float
    high: float

    def text(self) -> str:
        """Return the range as text, such as "year 1990–1999"."""  # noqa: RUF002 (a dash between numbers)
        low, high = _number(self.low), _number(self.high)
        return f"{one_line(self.attribute, 24)} {low if low == high else f'{low}–{high}'}"  # noqa: RUF001 (a dash between numbers)


def _number(value: float) -> str:
    is_integer = float(value).is_integer() and abs(value) < 1e15
    return str(int(value)) if is_integer else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Description:
    """The words that set a node apart from its siblings, typical titles, and value ranges.

    *summary* was written by a model and replaces the words. *typical* has the numbers of the
    items whose *titles* are shown. *name* is the name of the category in the catalog, if the
    node follows a path; it is shown before everything else.
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
        texts = (self.summary, ", ".join(self.words[:3]), "".join(self.titles[:1]))
        return next(filter(None, (one_line(each, LABEL_LENGTH) for each in texts)), "unlabelled")

    @property
    def about(self) -> str:
        """Return the name of the node, followed by its summary or its words."""
        words = words_beyond(self.words, self.name)[:LINE_WORDS]
        content = one_line(self.summary, SUMMARY_LENGTH) or ", ".join(words)
        return ": ".join(filter(None, (one_line(self.name, NAME_LENGTH), content)))

    def line(self, count: int) -> str:
        """Return the line that represents the node in a prompt; *count* is its number of items."""
        return _line(self, count)

    def to_json(self) -> str:
        """Return the description packed as the store keeps it."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        fields["ranges"] = [[each.attribute, each.low, each.high] for each in self.ranges]
        return _encode(fields)

    @staticmethod
    def from_json(text: str) -> Description:
        """Return the description that `to_json` packed."""
        return _read(text)


# Every walk reads the top of the tree, nearly always with the same counts.
@lru_cache(4_096)
def _line(description: Description, count: int) -> str:
    about = description.about
    parts = [f"{about} ({count:,})" if about else f"({count:,})"]
    parts += [each.text() for each in description.ranges[:2]]
    titles = [one_line(title, TITLE_LENGTH) for title in description.titles[:LINE_TITLES]]
    return "; ".join(parts) + (": " + " / ".join(titles) if titles else "")


# Occurs once in a packed description: in a text, the quotes would be escaped.
_AFTER_WORDS = ',"titles":['


def replace_words(packed: str, words: Sequence[str]) -> str:
    """Return a packed description with other words."""
    return f'{{"words":{_encode(list(words))}{packed[packed.index(_AFTER_WORDS) :]}'


@lru_cache(4_096)
def _read(text: str) -> Description:
    fields = json.loads(text)
    return Description(
        words=_texts(fields["words"]),
        titles=_texts(fields["titles"]),
        ranges=tuple(_range(*each) for each in fields["ranges"]),
        summary="".join(_texts([fields["summary"]])),
        typical=tuple(map(index, fields["typical"])),
        name="".join(_texts([fields.get("name", "")])),
    )


def _texts(values: object) -> tuple[str, ...]:
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise TypeError("a text of a description is no text")
    return tuple(values)


def _range(attribute: str, low: float, high: float) -> Range:
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        raise TypeError("a limit of a range is no number")
    if not isinstance(attribute, str):
        raise TypeError("the attribute of a range is no text")
    return Range(attribute, low, high)


def words_beyond(words: Sequence[str], names: str) -> tuple[str, ...]:
    """Return the words that *names* do not contain; "Shampoos" contains "shampoo"."""
    if not names:
        return tuple(words)
    spaced = " " + " ".join(_WORD.findall(names.lower()))
    return tuple(word for word in words if f" {word}" not in spaced)


def breadcrumb(descriptions: Sequence[Description]) -> str:
    """Return the labels of nodes joined into a path, from a child of the root downwards."""
    return " > ".join(each.label for each in descriptions)
