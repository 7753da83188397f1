"""Reading the descriptions a model wrote: any text in, one clean line for each number out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.items import one_line
from unillmrec.replies.json_fragments import Json, fragments
from unillmrec.replies.json_values import NUMBERS, first, lowered, objects, whole
from unillmrec.replies.reasoning import split_reasoning

LONGEST_SUMMARY = 160


@dataclass(frozen=True, slots=True)
class SummaryReading:
    """What a model wrote about the numbers of a list, by number.

    *invented* counts lines about what is not on the list, *repeated* those for a number that
    has one already, or that say what another number's line says: siblings that read the same
    are not told apart.
    """

    summaries: tuple[tuple[int, str], ...]
    invented: int
    repeated: int

    @property
    def usable(self) -> bool:
        """Whether anything was written that can be kept."""
        return bool(self.summaries)


def read_summaries(text: str, count: int) -> SummaryReading:
    """Read one line for each of the numbers 1 to *count*, or for some of them.

    Lines without any number are taken in order, if there are exactly *count*.
    """
    said, thought = split_reasoning(text)
    found = _in_json(said) or _in_lines(said) or _in_json(thought)
    if len(found) == count and all(number is None for number, _ in found):
        found = [(number, line) for number, (_, line) in enumerate(found, start=1)]
    kept: dict[int, str] = {}
    told: set[str] = set()
    invented = repeated = 0
    for number, line in found:
        line = _clean(line, number)
        if number is None or not 1 <= number <= count:
            invented += 1
        elif number in kept or line.casefold() in told:
            repeated += 1
        elif any(character.isalnum() for character in line):
            kept[number] = line
            told.add(line.casefold())
    return SummaryReading(tuple(sorted(kept.items())), invented, repeated)


_Entry: TypeAlias = tuple[int | None, str]

_LISTS: tuple[str, ...] = (
    "descriptions",
    "summaries",
    "branches",
    "lines",
    "labels",
    "names",
    "results",
)
_LISTS += ("items", "answer")
_TEXTS = ("summary", "description", "line", "label", "name", "text", "title")

_FENCE = re.compile(r"^[ \t]*+(?:`{3,}|~{3,})[^\n`]*+$", re.MULTILINE)
# "3. A line", "[3] A line", "Branch 3: A line", "- **3** - A line"; not "12 angry men".
_NUMBERED = re.compile(
    r"[-•*\s]{0,8}(?:branch\s+|number\s+|no\.?\s*|#)?[\[(]?(\d{1,4})"
    r"(?:(?:[\])]|\*\*)\s{0,4}[.:=\u2013\u2014-]?|\s{0,4}[.:=)\u2013\u2014-])[\s*]+(\S.*)",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\s*\(\d[\d,.]{0,12}(?: [a-z]{1,10})?\)$")


def _in_json(said: str) -> list[_Entry]:
    """Return the last filled list of descriptions in the JSON of a text."""
    last: list[_Entry] = []
    for part in fragments(said):
        named = (_entries(fields.get(name)) for fields in objects(part.value) for name in _LISTS)
        last = next(filter(None, named), []) or _entries(part.value) or last
    return last


def _entries(value: Json) -> list[_Entry]:
    """Read a list of objects or texts, {"3": "a line"}, or a single object."""
    if isinstance(value, list):
        found = [_entry(each) for each in value]
        return [each for each in found if each is not None]
    if isinstance(value, dict):
        single = _entry(value)
        return [single] if single and single[0] is not None else _by_number(value)
    return []


def _entry(value: Json) -> _Entry | None:
    if isinstance(value, str):
        numbered = _NUMBERED.fullmatch(value[: 4 * LONGEST_SUMMARY])
        return (int(numbered[1]), numbered[2]) if numbered else (None, value)
    if not isinstance(value, dict):
        return None
    fields = lowered(value)
    text = first(fields, _TEXTS)
    return (whole(first(fields, NUMBERS)), text) if isinstance(text, str) else None


def _by_number(value: dict[str, Json]) -> list[_Entry]:
    """Read {"3": "a line"} and {"3": {"summary": "a line"}}."""
    found: list[_Entry] = []
    for name, told in value.items():
        number = whole(name)
        text = first(lowered(told), _TEXTS) if isinstance(told, dict) else told
        if number is None or not isinstance(text, str):
            return []
        found.append((number, text))
    return found


def _in_lines(said: str) -> list[_Entry]:
    """Read the lines of a text that begin with a number."""
    lines: Iterable[str] = _FENCE.sub("", said).splitlines()
    matches: Sequence[re.Match[str] | None] = [
        _NUMBERED.fullmatch(line[: 4 * LONGEST_SUMMARY].strip()) for line in lines
    ]
    return [(int(match[1]), match[2]) for match in matches if match]


def _clean(line: str, number: int | None) -> str:
    """Take off what a line repeats: its own number in front, its size behind, quotes around."""
    line = " ".join(line[: 4 * LONGEST_SUMMARY].replace("**", "").split()).strip(" *_`\"'")
    label = _NUMBERED.fullmatch(line)
    if label and int(label[1]) == number:
        line = label[2]
    line = one_line(line, 2 * LONGEST_SUMMARY).rstrip(" .;,")
    return one_line(_COUNT.sub("", line).rstrip(" .;,"), LONGEST_SUMMARY)
