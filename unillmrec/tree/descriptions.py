"""What a node says about itself, and the line a judge reads."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from unillmrec.items import one_line

LINE_WORDS = 5
LINE_TITLES = 2
TITLE_LENGTH = 48
SUMMARY_LENGTH = 160


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
    return str(int(value)) if float(value).is_integer() else f"{value:.4g}"


@dataclass(frozen=True, slots=True)
class Description:
    """The words that set a node apart from its siblings, typical titles, and value ranges.

    *summary* is what a model wrote; it replaces the words where it is there. *typical* are
    the numbers of the items that *titles* come from.
    """

    words: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    ranges: tuple[Range, ...] = ()
    summary: str = ""
    typical: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """Return a short name for a breadcrumb or a tree drawing."""
        if self.summary:
            return one_line(self.summary, 60)
        return ", ".join(self.words[:3]) or (self.titles[0] if self.titles else "unlabelled")

    def line(self, count: int) -> str:
        """Return the one line that stands for the node among its siblings."""
        about = one_line(self.summary, SUMMARY_LENGTH) or ", ".join(self.words[:LINE_WORDS])
        parts = [f"{about} ({count:,})" if about else f"({count:,})"]
        parts += [each.text() for each in self.ranges[:2]]
        titles = [one_line(title, TITLE_LENGTH) for title in self.titles[:LINE_TITLES]]
        return "; ".join(parts) + (": " + " / ".join(titles) if titles else "")

    def to_json(self) -> str:
        """Return the description as the store keeps it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Description:
        """Read what `to_json` wrote."""
        kept = json.loads(text)
        return cls(
            tuple(kept["words"]),
            tuple(kept["titles"]),
            tuple(Range(**each) for each in kept["ranges"]),
            kept["summary"],
            tuple(kept["typical"]),
        )


def breadcrumb(descriptions: Sequence[Description]) -> str:
    """Return the labels from the root's child downwards, as one path."""
    return " > ".join(each.label for each in descriptions)
