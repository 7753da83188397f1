"""Parse the descriptions that a model wrote: any text in, one clean line per number out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.items import one_line
from unillmrec.replies.json_fragments import Json, fragments
from unillmrec.replies.json_values import NUMBERS, as_int, first_value, iter_objects, lowercase_keys
from unillmrec.replies.reasoning import split_reasoning, without_fences

LONGEST_SUMMARY = 160


@dataclass(frozen=True, slots=True)
class SummaryReading:
    """The lines that a model wrote for the numbers of a list, by number.

    *invented* counts lines for numbers that are not on the list. *repeated* counts those for a
    number that has a line already, and those that equal another number's line, since siblings
    with the same description could not be distinguished.
    """

    summaries: tuple[tuple[int, str], ...]
    invented: int
    repeated: int

    @property
    def usable(self) -> bool:
        """Whether there is at least one valid line."""
        return bool(self.summaries)


def read_summaries(text: str, count: int) -> SummaryReading:
    """Parse one line for each of the numbers 1 to *count*, or for some of them.

    Lines without numbers are assigned in order, if there are exactly *count*.
    """
    answer, reasoning = split_reasoning(text)
    found = _parse_json(answer) or _parse_lines(answer) or _parse_json(reasoning)
    if len(found) == count and all(number is None for number, _ in found):
        found = [(number, line) for number, (_, line) in enumerate(found, start=1)]
    kept: dict[int, str] = {}
    seen: set[str] = set()
    invented = repeated = 0
    for number, line in found:
        line = _clean(line, number)
        if number is None or not 1 <= number <= count:
            invented += 1
        elif number in kept or line.casefold() in seen:
            repeated += 1
        elif any(character.isalnum() for character in line):
            kept[number] = line
            seen.add(line.casefold())
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

# "3. A line", "[3] A line", "Branch 3: A line", "- **3** - A line"; not "12 angry men".
_NUMBERED = re.compile(
    r"[-•*\s]{0,8}(?:branch\s+|number\s+|no\.?\s*|#)?[\[(]?(\d{1,4})"
    r"(?:(?:[\])]|\*\*)\s{0,4}[.:=\u2013\u2014-]?|\s{0,4}[.:=)\u2013\u2014-])[\s*]+(\S.*)",
    re.IGNORECASE,
)
_COUNT = re.compile(r"\s*\(\d[\d,.]{0,12}(?: [a-z]{1,10})?\)$")


def _parse_json(text: str) -> list[_Entry]:
    """Return the last list of descriptions in the JSON of *text* that is not empty."""
    last: list[_Entry] = []
    for part in fragments(text):
        named = (
            _parse_entries(fields.get(name))
            for fields in iter_objects(part.value)
            for name in _LISTS
        )
        last = next(filter(None, named), []) or _parse_entries(part.value) or last
    return last


def _parse_entries(value: Json) -> list[_Entry]:
    """Parse a list of objects or texts, {"3": "a line"}, or a single object."""
    if isinstance(value, list):
        found = [_parse_entry(each) for each in value]
        return [each for each in found if each is not None]
    if isinstance(value, dict):
        single = _parse_entry(value)
        return [single] if single and single[0] is not None else _parse_number_map(value)
    return []


def _parse_entry(value: Json) -> _Entry | None:
    if isinstance(value, str):
        numbered = _NUMBERED.fullmatch(value[: 4 * LONGEST_SUMMARY])
        return (int(numbered[1]), numbered[2]) if numbered else (None, value)
    if not isinstance(value, dict):
        return None
    fields = lowercase_keys(value)
    text = first_value(fields, _TEXTS)
    return (as_int(first_value(fields, NUMBERS)), text) if isinstance(text, str) else None


def _parse_number_map(value: dict[str, Json]) -> list[_Entry]:
    """Parse {"3": "a line"} and {"3": {"summary": "a line"}}."""
    found: list[_Entry] = []
    for name, description in value.items():
        number = as_int(name)
        text: Json = description
        if isinstance(description, dict):
            text = first_value(lowercase_keys(description), _TEXTS)
        if number is None or not isinstance(text, str):
            return []
        found.append((number, text))
    return found


def _parse_lines(text: str) -> list[_Entry]:
    """Parse the lines of *text* that begin with a number."""
    lines: Iterable[str] = without_fences(text).splitlines()
    matches: Sequence[re.Match[str] | None] = [
        _NUMBERED.fullmatch(line[: 4 * LONGEST_SUMMARY].strip()) for line in lines
    ]
    return [(int(match[1]), match[2]) for match in matches if match]


def _clean(line: str, number: int | None) -> str:
    """Remove the line's own number at the start, its size at the end, and quotes around it."""
    line = " ".join(line[: 4 * LONGEST_SUMMARY].replace("**", "").split()).strip(" *_`\"'")
    label = _NUMBERED.fullmatch(line)
    if label and int(label[1]) == number:
        line = label[2]
    line = one_line(line, 2 * LONGEST_SUMMARY).rstrip(" .;,")
    return one_line(_COUNT.sub("", line).rstrip(" .;,"), LONGEST_SUMMARY)
