"""Parse a model's answer to a choice: any text in, valid choices and honest counts out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.items import one_line
from unillmrec.replies.json_fragments import Fragment, Json, fragments
from unillmrec.replies.json_values import NUMBERS, as_int, first_value, iter_objects, lowercase_keys
from unillmrec.replies.reasoning import split_reasoning, without_fences


@dataclass(frozen=True, slots=True)
class ChoiceReading:
    """The numbers that a model chose, with scores from 0 to 100, best first.

    *invented* counts numbers that are not on the list, *repeated* those that were chosen already;
    neither are in *scores*. A reply without any number of the list is not *usable*, except an
    empty list of scores in the requested format: nothing on the list fits.
    """

    scores: tuple[tuple[int, int], ...]
    invented: int
    repeated: int
    usable: bool


def read_scores(text: str, count: int) -> ChoiceReading:
    """Parse scored choices among the numbers 1 to *count*.

    A choice without a score gets one from its position, not above that of the choice before it.
    Scores that are all between 0 and 1 are read as fractions.
    """
    entries = _find_entries(text)
    choices = _Choices.from_entries(entries or (), count)
    scores = choices.by_score()
    usable = bool(scores) or entries == []
    return ChoiceReading(scores, choices.invented, choices.repeated, usable)


def read_order(text: str, count: int) -> ChoiceReading:
    """Parse a ranking of the numbers 1 to *count*; the scores follow from the positions."""
    choices = _Choices.from_entries(_find_entries(text) or (), count)
    scores = choices.by_position()
    return ChoiceReading(scores, choices.invented, choices.repeated, usable=bool(scores))


def read_interests(text: str) -> tuple[tuple[str, float], ...]:
    """Parse interests and their weights, which sum to one; empty if there are none.

    At most eight are kept, the heaviest first. If no weights are given, they decrease evenly,
    because people and models name first what matters most; a single missing weight is as small
    as the smallest one given.
    """
    answer, reasoning = split_reasoning(text)
    found = _find_interests(answer) or _parse_weighted_lines(answer) or _find_interests(reasoning)
    interests: dict[str, _Interest] = {}
    for name, weight in found:
        line = one_line(name, _LONGEST_INTEREST)
        if any(character.isalnum() for character in line):
            interests.setdefault(line.casefold(), (line, weight))
    return _normalize(list(interests.values()))


# A number and its score; the number is None if the model named something else.
_Entry: TypeAlias = tuple[int | None, float | None]
_Interest: TypeAlias = tuple[str, float | None]
_Scores: TypeAlias = tuple[tuple[int, int], ...]

_LISTS: tuple[str, ...] = ("picks", "order", "choices", "chosen", "selected", "ranking", "ranked")
_LISTS += ("scores", "numbers", "items", "branches", "results", "answer")
_SCORES = ("score", "rating", "relevance", "probability", "confidence", "weight", "value")
_INTEREST_LISTS = ("interests", "profile", "topics", "themes", "tastes", "preferences")
_NAMES = ("interest", "name", "topic", "theme", "label", "title", "description", "text")
_WEIGHTS = ("weight", "score", "importance", "share", "percentage", "percent", "value")

_MOST_INTERESTS = 8
_LONGEST_INTEREST = 160
_HEAVIEST = 1e6
_LONGEST_LINE = 80

_SCORE = re.compile(r"\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*(?:%|/\s*100)?\s*")

_CHAIN = re.compile(r"\[?\d{1,9}\]?(?:\s*+>\s*+\[?\d{1,9}\]?)++")
_DIGITS = re.compile(r"\d+")
_PLAIN_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.0+)?")
_PIECES = re.compile(r"[\n,;]")
_SEPARATORS = re.compile(r"[\s,;>|&]+|\band\b")
_TAIL = r"(-?\d{1,9}(?:\.\d{1,9})?)\s*(?:%|/\s*100)?\s*\)?\.?"
_BETWEEN = r"\s*(?:[:=|(→]|=>|[-\u2013\u2014]{1,3}>?)\s*(?:score\s*[:=]?\s*)?"
# "1. 3" and "1. 3 (80)": a position, the number at it, and its score.
_POSITIONED = re.compile(rf"\(?(\d{{1,9}})[.)]\s+#?\[?(\d{{1,9}})\]?(?:{_BETWEEN}{_TAIL})?\.?")
# "3: 80", "3 (80%)", "[3] - 80/100", "Item 3 = 80".
_PAIR = re.compile(
    rf"(?:[-•]\s+)?(?:item\s|branch\s|choice\s|option\s|number\s|no\.?\s|#)?\s*"
    rf"\[?(\d{{1,9}})\]?{_BETWEEN}{_TAIL}",
    re.IGNORECASE,
)
_BULLET = re.compile(r"\s*+(?:[-•\u2013]|\*(?!\*)|\d{1,2}[.)])\s++(?=\S)")
_WEIGHT_AT_END = re.compile(
    r"\s*[:(=\u2013\u2014-]\s*(?:weight\s*[:=]?\s*)?(\d{1,9}(?:\.\d{1,9})?)\s*%?\s*\)?\Z",
    re.IGNORECASE,
)


class _Choices:
    """The chosen numbers of the list with their scores, and counts of the invalid ones."""

    def __init__(self) -> None:
        self.scores: dict[int, float | None] = {}
        self.invented = 0
        self.repeated = 0

    @classmethod
    def from_entries(cls, entries: Iterable[_Entry], count: int) -> _Choices:
        chosen = cls()
        for number, score in entries:
            if number is None or not 1 <= number <= count:
                chosen.invented += 1
            elif number in chosen.scores:
                chosen.repeated += 1
            else:
                chosen.scores[number] = score
        return chosen

    def by_position(self) -> _Scores:
        """Return the numbers in the model's order, with scores that follow from it."""
        total = len(self.scores)
        return tuple(
            (number, _position_score(position, total))
            for position, number in enumerate(self.scores)
        )

    def by_score(self) -> _Scores:
        """Return the numbers by their scores, which are brought between 0 and 100."""
        given = [score for score in self.scores.values() if score is not None]
        fractions = all(0 <= score <= 1 for score in given) and any(0 < x < 1 for x in given)
        scores: list[tuple[int, int]] = []
        for position, (number, score) in enumerate(self.scores.items()):
            if score is None:
                value = _position_score(position, len(self.scores))
                value = min(value, scores[-1][1]) if scores else value
            else:
                value = round(min(max(score * 100 if fractions else score, 0), 100))
            scores.append((number, value))
        return tuple(sorted(scores, key=lambda pair: -pair[1]))


def _position_score(position: int, total: int) -> int:
    return max(1, round(100 * (total - position) / total))


def _find_entries(text: str) -> list[_Entry] | None:
    """Return the entries of the answer in *text*; None if there is no answer."""
    answer, reasoning = split_reasoning(text)
    parts = list(fragments(answer))
    entries = _named_list(parts)
    if entries is None:
        plain = without_fences(answer).strip().strip("`")
        entries = (
            _parse_chain(answer)
            or _parse_lines(plain)
            or _unnamed_lists(parts)
            or _parse_numbers(plain)
            or _named_list(fragments(reasoning))
        )
    return entries


def _named_list(parts: Iterable[Fragment]) -> list[_Entry] | None:
    """Return the last list under a known name, preferably a complete one that is not empty."""
    best: tuple[int, list[_Entry]] | None = None
    for part in parts:
        for fields in iter_objects(part.value):
            entries = _entries_in_object(fields)
            # An empty list means that nothing fits, unless it was cut off.
            if entries is None or not (entries or part.complete):
                continue
            value = 2 * bool(entries) + part.complete
            if best is None or value >= best[0]:
                best = value, entries
            break
    return best[1] if best else None


def _entries_in_object(fields: dict[str, Json]) -> list[_Entry] | None:
    for name in _LISTS:
        entries = _parse_entries(fields.get(name))
        if entries is not None:
            return entries
    return _parse_number_map(fields)


def _parse_entries(value: Json) -> list[_Entry] | None:
    if isinstance(value, list):
        return [_parse_entry(each) for each in value]
    if isinstance(value, dict):
        fields = lowercase_keys(value)
        has_number = first_value(fields, NUMBERS) is not None
        return [_parse_entry(value)] if has_number else _parse_number_map(fields)
    if isinstance(value, str):
        return _parse_chain(value) or _parse_lines(value) or _parse_numbers(value)
    return None if as_int(value) is None else [_parse_entry(value)]


def _parse_entry(value: Json) -> _Entry:
    if not isinstance(value, dict):
        return as_int(value), None
    fields = lowercase_keys(value)
    return as_int(first_value(fields, NUMBERS)), _parse_score(first_value(fields, _SCORES))


def _parse_number_map(fields: dict[str, Json]) -> list[_Entry] | None:
    """Parse {"3": 80, "1": 60}."""
    entries: list[_Entry] = [(as_int(name), _parse_score(value)) for name, value in fields.items()]
    complete = all(number is not None and score is not None for number, score in entries)
    return entries if entries and complete else None


def _unnamed_lists(parts: Sequence[Fragment]) -> list[_Entry] | None:
    """Parse lists without a name: the last with several numbers, or all single ones together."""
    singles: list[_Entry] = []
    last: list[_Entry] | None = None
    for part in parts:
        value = part.value if isinstance(part.value, list) else [part.value]
        entries = [_parse_entry(each) for each in value]
        if not entries or any(number is None for number, _ in entries):
            continue
        if len(entries) == 1:
            singles += entries
        else:
            last = entries
    return last or singles or None


def _parse_chain(answer: str) -> list[_Entry] | None:
    """Parse "[2] > [1]"; a number elsewhere in the prose does not count."""
    chains = _CHAIN.findall(answer)
    return [(int(digits), None) for digits in _DIGITS.findall(chains[-1])] if chains else None


def _parse_lines(plain: str) -> list[_Entry] | None:
    """Parse lines with a position and a number, or a number and a score; skip all others."""
    positioned: list[_Entry] = []
    pairs: list[_Entry] = []
    for piece in _PIECES.split(plain):
        line = piece.strip(" \t\r_`|\"'").replace("*", "")
        # Longer lines are prose, and are not worth a match.
        if not line or len(line) > _LONGEST_LINE:
            continue
        if (match := _POSITIONED.fullmatch(line)) and int(match[1]) == len(positioned) + 1:
            positioned.append((int(match[2]), _parse_score(match[3])))
        elif match := _PAIR.fullmatch(line.lstrip()):
            pairs.append((int(match[1]), float(match[2])))
    return (positioned if len(positioned) >= len(pairs) else pairs) or None


def _parse_numbers(plain: str) -> list[_Entry] | None:
    """Parse a text of numbers and nothing else; a number in a sentence is no choice."""
    words = [word for word in _SEPARATORS.split(plain.strip("[](). \n")) if word not in "-*•"]
    if not words or not all(_PLAIN_NUMBER.fullmatch(word) for word in words):
        return None
    return [(int(float(word)), None) for word in words]


def _parse_score(value: Json) -> float | None:
    if isinstance(value, str):
        match = _SCORE.fullmatch(value[:60])
        return float(match[1]) if match else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _find_interests(text: str) -> list[_Interest]:
    """Return the last list of interests in the JSON of *text* that is not empty."""
    last: list[_Interest] = []
    for part in fragments(text):
        named = [first_value(fields, _INTEREST_LISTS) for fields in iter_objects(part.value)]
        found = next((interests for value in named if (interests := _parse_interests(value))), None)
        last = found or last or _parse_interests(part.value)
    return last


def _parse_interests(value: Json) -> list[_Interest]:
    """Parse a list of interests, {"text": 60, …}, or a single interest."""
    if isinstance(value, list):
        return [interest for each in value for interest in _parse_interest(each)]
    return _parse_interest(value)


def _parse_interest(value: Json) -> list[_Interest]:
    """Parse "text", "text (60%)", {"interest": "text", "weight": 60} or {"text": 60, …}."""
    if isinstance(value, str):
        return [_parse_weighted(value)]
    if not isinstance(value, dict):
        return []
    fields = lowercase_keys(value)
    name = first_value(fields, _NAMES)
    if isinstance(name, str):
        return [(name, _parse_score(first_value(fields, _WEIGHTS)))]
    weights = {text: _parse_score(each) for text, each in value.items()}
    return list(weights.items()) if None not in weights.values() else []


def _parse_weighted_lines(answer: str) -> list[_Interest]:
    """Parse the lines that begin like list items, or end in a percentage."""
    found: list[_Interest] = []
    for line in without_fences(answer).splitlines():
        bullet = _BULLET.match(line)
        if bullet or line.rstrip(" \t*_.|)").endswith("%"):
            found.append(_parse_weighted(line[bullet.end() if bullet else 0 :]))
    return found


def _parse_weighted(line: str) -> _Interest:
    """Split "text (60%)" or "text: 60" into the text and its weight."""
    line = line.rstrip(" \t*_.|")
    # A weight is short, and searching all of a long line would take quadratic time.
    weight = _WEIGHT_AT_END.search(line[-40:])
    end = len(line) - (len(weight[0]) if weight else 0)
    return line[:end].strip(" \t*_`\"'|:"), float(weight[1]) if weight else None


def _normalize(interests: Sequence[_Interest]) -> tuple[tuple[str, float], ...]:
    """Scale the weights to a sum of one, and sort by them, heaviest first."""
    given = [min(weight, _HEAVIEST) for _, weight in interests if weight is not None and weight > 0]
    if given:
        least = min(given)
        pairs = [
            (name, least if weight is None else min(weight, _HEAVIEST))
            for name, weight in interests
        ]
        # An interest without weight, or with a millionth of the largest, is none.
        pairs = [pair for pair in pairs if pair[1] > max(given) * 1e-6]
    else:
        first = interests[:_MOST_INTERESTS]
        pairs = [(name, float(len(first) - position)) for position, (name, _) in enumerate(first)]
    pairs = sorted(pairs, key=lambda pair: -pair[1])[:_MOST_INTERESTS]
    total = sum(weight for _, weight in pairs)
    return tuple((name, weight / total) for name, weight in pairs)
