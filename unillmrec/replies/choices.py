"""Reading what a model answered: any text in, a valid choice and honest counts out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from unillmrec.items import one_line
from unillmrec.replies.json_fragments import Fragment, Json, fragments
from unillmrec.replies.json_values import NUMBERS, first, lowered, objects, whole
from unillmrec.replies.reasoning import split_reasoning


@dataclass(frozen=True, slots=True)
class Reading:
    """The numbers a model chose, with scores from 0 to 100, best first.

    *invented* counts what is not on the list, *repeated* what was chosen already; neither is
    in *scores*. A reply without any number of the list is not *usable*; only an empty list
    of scores, said in the asked form, is: nothing on the list fits.
    """

    scores: tuple[tuple[int, int], ...]
    invented: int
    repeated: int
    usable: bool


def read_scores(text: str, count: int) -> Reading:
    """Read scored choices among the numbers 1 to *count*.

    A choice without a score gets one from its place, not above the one before it. Scores
    that are all between 0 and 1 are taken for shares of one.
    """
    found = _find(text)
    scored = _Chosen.among(found or (), count).scored()
    return Reading(*scored, usable=bool(scored[0]) or found == [])


def read_order(text: str, count: int) -> Reading:
    """Read a ranking of the numbers 1 to *count*; the scores are made from the places."""
    placed = _Chosen.among(_find(text) or (), count).placed()
    return Reading(*placed, usable=bool(placed[0]))


def read_interests(text: str) -> tuple[tuple[str, float], ...]:
    """Read interests and their weights, which sum to one; empty if there are none.

    At most eight are kept, the heaviest first. Without weights they fall evenly, as people
    and models name first what matters most; a single missing weight is as small as the
    smallest one given.
    """
    said, thought = split_reasoning(text)
    found = _interests_in(said) or _weighted_lines(said) or _interests_in(thought)
    heard: dict[str, tuple[str, float | None]] = {}
    for name, weight in found:
        line = one_line(name, _LONGEST_INTEREST)
        if any(character.isalnum() for character in line):
            heard.setdefault(line.casefold(), (line, weight))
    return _normalised(list(heard.values()))


# A number as the model gave it, None if it named something else, and its score.
_Entry: TypeAlias = tuple[int | None, float | None]
_Interest: TypeAlias = tuple[str, float | None]

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

_FENCE = re.compile(r"^[ \t]*+(?:`{3,}|~{3,})[^\n`]*+$", re.MULTILINE)

_SCORE = re.compile(r"\s*(-?\d{1,15}(?:\.\d{1,15})?)\s*(?:%|/\s*100)?\s*")

_CHAIN = re.compile(r"\[?\d{1,9}\]?(?:\s*+>\s*+\[?\d{1,9}\]?)++")
_A_NUMBER = re.compile(r"\d+")
_PLAIN_NUMBER = re.compile(r"[-+]?\d{1,9}(?:\.0+)?")
_PIECES = re.compile(r"[\n,;]")
_SEPARATORS = re.compile(r"[\s,;>|&]+|\band\b")
_TAIL = r"(-?\d{1,9}(?:\.\d{1,9})?)\s*(?:%|/\s*100)?\s*\)?\.?"
_BETWEEN = r"\s*(?:[:=|(→]|=>|[-\u2013\u2014]{1,3}>?)\s*(?:score\s*[:=]?\s*)?"
# "1. 3" and "1. 3 (80)": a place, and what is at it.
_PLACED = re.compile(rf"\(?(\d{{1,9}})[.)]\s+#?\[?(\d{{1,9}})\]?(?:{_BETWEEN}{_TAIL})?\.?")
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


class _Chosen:
    """Numbers of the list with the scores they were given, and what was thrown away."""

    def __init__(self) -> None:
        self.scores: dict[int, float | None] = {}
        self.invented = 0
        self.repeated = 0

    @classmethod
    def among(cls, entries: Iterable[_Entry], count: int) -> _Chosen:
        chosen = cls()
        for number, score in entries:
            if number is None or not 1 <= number <= count:
                chosen.invented += 1
            elif number in chosen.scores:
                chosen.repeated += 1
            else:
                chosen.scores[number] = score
        return chosen

    def placed(self) -> tuple[tuple[tuple[int, int], ...], int, int]:
        total = len(self.scores)
        scores = tuple(
            (number, _place_score(place, total)) for place, number in enumerate(self.scores)
        )
        return scores, self.invented, self.repeated

    def scored(self) -> tuple[tuple[tuple[int, int], ...], int, int]:
        given = [score for score in self.scores.values() if score is not None]
        of_one = all(0 <= score <= 1 for score in given) and any(0 < score < 1 for score in given)
        scores: list[tuple[int, int]] = []
        for place, (number, score) in enumerate(self.scores.items()):
            if score is None:
                value = _place_score(place, len(self.scores))
                value = min(value, scores[-1][1]) if scores else value
            else:
                value = round(min(max(score * 100 if of_one else score, 0), 100))
            scores.append((number, value))
        best_first = sorted(scores, key=lambda pair: -pair[1])
        return tuple(best_first), self.invented, self.repeated


def _place_score(place: int, total: int) -> int:
    return max(1, round(100 * (total - place) / total))


def _find(text: str) -> list[_Entry] | None:
    """Return the entries of the answer in *text*; None if there is no answer."""
    said, thought = split_reasoning(text)
    parts = list(fragments(said))
    found = _keyed(parts)
    if found is None:
        bare = _FENCE.sub("", said).strip().strip("`")
        found = (
            _chain(said)
            or _lines(bare)
            or _loose(parts)
            or _numbers(bare)
            or _keyed(fragments(thought))
        )
    return found


def _keyed(parts: Iterable[Fragment]) -> list[_Entry] | None:
    """Return the last list under a name we know, a complete and filled one if there is one."""
    best: tuple[int, list[_Entry]] | None = None
    for part in parts:
        for fields in objects(part.value):
            found = _under_a_name(fields)
            # An empty list that broke off is no answer; a whole one says that nothing fits.
            if found is None or not (found or part.complete):
                continue
            value = 2 * bool(found) + part.complete
            if best is None or value >= best[0]:
                best = value, found
            break
    return best[1] if best else None


def _under_a_name(fields: dict[str, Json]) -> list[_Entry] | None:
    for name in _LISTS:
        found = _entries(fields.get(name))
        if found is not None:
            return found
    return _by_number(fields)


def _entries(value: Json) -> list[_Entry] | None:
    if isinstance(value, list):
        return [_entry(each) for each in value]
    if isinstance(value, dict):
        fields = lowered(value)
        return _by_number(fields) if first(fields, NUMBERS) is None else [_entry(value)]
    if isinstance(value, str):
        return _chain(value) or _lines(value) or _numbers(value)
    return None if whole(value) is None else [_entry(value)]


def _entry(value: Json) -> _Entry:
    if not isinstance(value, dict):
        return whole(value), None
    fields = lowered(value)
    return whole(first(fields, NUMBERS)), _score(first(fields, _SCORES))


def _by_number(fields: dict[str, Json]) -> list[_Entry] | None:
    """Read {"3": 80, "1": 60}."""
    entries: list[_Entry] = [(whole(name), _score(value)) for name, value in fields.items()]
    scored = all(number is not None and score is not None for number, score in entries)
    return entries if entries and scored else None


def _loose(parts: Sequence[Fragment]) -> list[_Entry] | None:
    """Read lists without a name: the last of several numbers, or all the single ones."""
    singles: list[_Entry] = []
    last: list[_Entry] | None = None
    for part in parts:
        value = part.value if isinstance(part.value, list) else [part.value]
        entries = [_entry(each) for each in value]
        if not entries or any(number is None for number, _ in entries):
            continue
        if len(entries) == 1:
            singles += entries
        else:
            last = entries
    return last or singles or None


def _chain(said: str) -> list[_Entry] | None:
    """Read "[2] > [1]"; a number elsewhere in the prose does not count."""
    chains = _CHAIN.findall(said)
    return [(int(digits), None) for digits in _A_NUMBER.findall(chains[-1])] if chains else None


def _lines(bare: str) -> list[_Entry] | None:
    """Read lines of a place and a number, or of a number and a score, among any others."""
    placed: list[_Entry] = []
    pairs: list[_Entry] = []
    for piece in _PIECES.split(bare):
        line = piece.strip(" \t\r_`|\"'").replace("*", "")
        # Longer ones are prose, and no pattern should have to find that out.
        if not line or len(line) > _LONGEST_LINE:
            continue
        if (match := _PLACED.fullmatch(line)) and int(match[1]) == len(placed) + 1:
            placed.append((int(match[2]), _score(match[3])))
        elif match := _PAIR.fullmatch(line.lstrip()):
            pairs.append((int(match[1]), float(match[2])))
    return (placed if len(placed) >= len(pairs) else pairs) or None


def _numbers(bare: str) -> list[_Entry] | None:
    """Read a text that is numbers and nothing else; one in a sentence is no choice."""
    words = [word for word in _SEPARATORS.split(bare.strip("[](). \n")) if word not in "-*•"]
    if not words or not all(_PLAIN_NUMBER.fullmatch(word) for word in words):
        return None
    return [(int(float(word)), None) for word in words]


def _score(value: Json) -> float | None:
    if isinstance(value, str):
        match = _SCORE.fullmatch(value[:60])
        return float(match[1]) if match else None
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _interests_in(text: str) -> list[_Interest]:
    """Return the last filled list of interests in the JSON of *text*."""
    last: list[_Interest] = []
    for part in fragments(text):
        named = [first(fields, _INTEREST_LISTS) for fields in objects(part.value)]
        found = next((interests for value in named if (interests := _interests(value))), None)
        last = found or last or _interests(part.value)
    return last


def _interests(value: Json) -> list[_Interest]:
    """Read a list of interests, {"text": 60, …}, or a single one of them."""
    if isinstance(value, list):
        return [interest for each in value for interest in _interests_of_one(each)]
    return _interests_of_one(value)


def _interests_of_one(value: Json) -> list[_Interest]:
    """Read "text", "text (60%)", {"interest": "text", "weight": 60} or {"text": 60, …}."""
    if isinstance(value, str):
        return [_weighted(value)]
    if not isinstance(value, dict):
        return []
    fields = lowered(value)
    name = first(fields, _NAMES)
    if isinstance(name, str):
        return [(name, _score(first(fields, _WEIGHTS)))]
    weights = {text: _score(each) for text, each in value.items()}
    return list(weights.items()) if None not in weights.values() else []


def _weighted_lines(said: str) -> list[_Interest]:
    """Read lines that begin like those of a list, or end in a percentage."""
    found: list[_Interest] = []
    for line in _FENCE.sub("", said).splitlines():
        bullet = _BULLET.match(line)
        if bullet or line.rstrip(" \t*_.|)").endswith("%"):
            found.append(_weighted(line[bullet.end() if bullet else 0 :]))
    return found


def _weighted(line: str) -> _Interest:
    """Part "text (60%)" or "text: 60" into the text and its weight."""
    line = line.rstrip(" \t*_.|")
    # A weight is short, and looking for one in all of a long line would take the square.
    weight = _WEIGHT_AT_END.search(line[-40:])
    end = len(line) - (len(weight[0]) if weight else 0)
    return line[:end].strip(" \t*_`\"'|:"), float(weight[1]) if weight else None


def _normalised(heard: Sequence[_Interest]) -> tuple[tuple[str, float], ...]:
    """Make the weights sum to one, heaviest first."""
    given = [min(weight, _HEAVIEST) for _, weight in heard if weight is not None and weight > 0]
    if given:
        least = min(given)
        pairs = [
            (name, least if weight is None else min(weight, _HEAVIEST)) for name, weight in heard
        ]
        # What weighs nothing, or a millionth, is no interest.
        pairs = [pair for pair in pairs if pair[1] > max(given) * 1e-6]
    else:
        kept = heard[:_MOST_INTERESTS]
        pairs = [(name, float(len(kept) - place)) for place, (name, _) in enumerate(kept)]
    pairs = sorted(pairs, key=lambda pair: -pair[1])[:_MOST_INTERESTS]
    total = sum(weight for _, weight in pairs)
    return tuple((name, weight / total) for name, weight in pairs)
