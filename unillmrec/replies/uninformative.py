"""Detect answers that carry no information about the person.

A small model often answers with what the prompt shows. Six patterns are looked for:

- *example*: the scores, numbers or phrases of the example in the prompt;
- *list order*: the first choices of the list, in the order in which they are listed;
- *one score*: the same score for every choice, or for the first ones;
- *nothing*: no choice, or no score above `LOW`; now and then that is a proper answer;
- *repeated*: the scores that the last question about other choices got, by position;
- *loop*: one interest, written again and again.

The rule: an answer is uninformative if it fits a pattern, and an answer that does depend on the
person would fit it by chance at most once in a thousand times (`RARE`). The chance is counted over
orders that are equally probable and over `SCORE_VALUES` different scores. A short list proves
nothing by itself: one of three choices comes first in any case. Therefore the chances of answers
in a row that fit the same pattern are multiplied (`AnswerStreaks`). Choices that the model picked
from within the list always carry information, whatever their scores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Pattern: TypeAlias = Literal[
    "", "example", "list order", "one score", "nothing", "repeated", "loop"
]
"""What makes an answer uninformative; empty if it is informative."""

Scores: TypeAlias = Sequence[tuple[int, float]]
"""Pairs of a choice's number and its score, best first."""

RARE = 1 / 1000
# Answers in a row are examined once for each question of a person, so the limit is lower.
RARE_STREAK = 1 / 10_000
# About as many different scores appear in the replies of real models.
SCORE_VALUES = 11
# Choices with lower scores need not be named; an honest judge finds only such in some branches.
LOW = 10
CHANCE_OF_NOTHING = 1 / 4
# Scores this near to each other, in hundredths of the best one, are the same.
SAME = 1.0
# A phrase of fewer words may well be the person's own interest.
LONG_PHRASE = 3
# How often a reply repeats its only interest before it is a loop.
LOOP = 4


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered about a list of *count* choices.

    *scores* are best first. *is_order* is whether only their order was asked for, and *is_sorted*
    whether the list was shown best first, so that its order is a proper answer. *example* is the
    answer that the prompt shows.
    """

    scores: Scores
    count: int
    is_order: bool = False
    is_sorted: bool = False
    example: Scores = ()


def find_pattern(answer: Answer) -> Pattern:
    """Return the pattern that makes *answer* uninformative by itself."""
    return next((name for name, chance in _chances(answer) if chance <= RARE), "")


def find_profile_pattern(interests: Sequence[str], example: Sequence[str], reply: str) -> Pattern:
    """Return the pattern that makes the *interests* in a reply uninformative.

    *example* are the phrases that the prompt shows.
    """
    shown = {each.casefold() for each in example}
    copied = [each for each in interests if each.casefold() in shown]
    if copied and len(copied) == len(interests):
        return "example"
    if any(len(each.split()) >= LONG_PHRASE for each in copied):
        return "example"
    looped = len(interests) == 1 and reply.casefold().count(interests[0].casefold()) >= LOOP
    return "loop" if looped else ""


@dataclass(slots=True)
class AnswerStreaks:
    """Finds patterns in the answers of one recommendation that no single answer proves."""

    _chances: dict[Pattern, float] = field(default_factory=dict)
    _last: tuple[tuple[int, ...], Answer] | None = None

    def find(self, keys: Sequence[int], answer: Answer) -> Pattern:
        """Add an answer about the choices with these *keys*; return the pattern it proves."""
        found = [pair for pair in _chances(answer) if RARE < pair[1] < 1]
        if self._last and self._last[0] != tuple(keys) and _is_same(self._last[1], answer):
            found.append(("repeated", _chance_of_repetition(answer)))
        self._last = tuple(keys), answer
        self._chances = {name: self._chances.get(name, 1.0) * chance for name, chance in found}
        return next((name for name, one in self._chances.items() if one <= RARE_STREAK), "")


def _chances(answer: Answer) -> Iterator[tuple[Pattern, float]]:
    """Yield the patterns that an answer fits, each with its chance."""
    numbers = [number for number, _ in answer.scores]
    if _says_nothing(answer):
        yield "nothing", CHANCE_OF_NOTHING
        return
    if answer.is_order:
        chance = _chance_of_example_order(answer, numbers)
    else:
        chance = _chance_of_example_scores(answer, numbers)
    yield "example", chance
    if answer.count < 2 or set(numbers) != set(range(1, len(numbers) + 1)):
        return
    if not answer.is_order and _has_one_score(answer.scores):
        chosen = 1 / math.comb(answer.count, len(numbers))
        yield "one score", chosen * SCORE_VALUES ** (1 - len(numbers))
    if not answer.is_sorted and numbers == sorted(numbers):
        yield "list order", math.exp(-_log_orders(answer.count, len(numbers)))


def _chance_of_example_scores(answer: Answer, numbers: Sequence[int]) -> float:
    """Return the chance of scores that are all from the example, for numbers that say nothing."""
    shown = {score for _, score in answer.example}
    if not shown or not all(score in shown for _, score in answer.scores):
        return 1.0
    chance = (len(shown) / SCORE_VALUES) ** len(numbers)
    first = set(range(1, len(numbers) + 1))
    if set(numbers) in (first, {number for number, _ in answer.example}):
        return chance / math.comb(answer.count, len(numbers))
    return 1.0


def _chance_of_example_order(answer: Answer, numbers: Sequence[int]) -> float:
    """Return the chance of the order in the example, alone or followed by the rest of the list."""
    shown = [number for number, _ in answer.example if number <= answer.count]
    rest = numbers[len(shown) :]
    if not shown or numbers[: len(shown)] != shown or list(rest) != sorted(rest):
        return 1.0
    return math.exp(-_log_orders(answer.count, len(numbers)))


def _log_orders(count: int, length: int) -> float:
    """Return the logarithm of how many orders of *length* of *count* choices there are."""
    return math.lgamma(count + 1) - math.lgamma(count - length + 1)


def _says_nothing(answer: Answer) -> bool:
    return max((score for _, score in answer.scores), default=0) <= LOW


def _has_one_score(scores: Scores) -> bool:
    best = max(score for _, score in scores)
    return len(scores) > 1 and min(score for _, score in scores) >= best * (1 - SAME / 100)


def _is_same(one: Answer, other: Answer) -> bool:
    """Return whether the choices at the same positions got the same scores, relative to the best.

    Only positions that both lists have are compared.
    """
    if one.is_order != other.is_order or _says_nothing(other):
        return False
    shared = min(one.count, other.count)
    pair = [_relative(each.scores, shared) for each in (one, other)]
    numbers = pair[0].keys() | pair[1].keys()
    if len(pair[0]) != len(pair[1]) or not numbers:
        return False
    return all(abs(pair[0].get(each, 0.0) - pair[1].get(each, 0.0)) <= SAME for each in numbers)


def _relative(scores: Scores, shared: int) -> dict[int, float]:
    listed = {number: score for number, score in scores if number <= shared}
    best = max(listed.values(), default=0.0)
    return {number: 100 * score / best for number, score in listed.items()} if best else {}


def _chance_of_repetition(answer: Answer) -> float:
    """Return the chance of the same choices with the same scores; small scores do not count."""
    best = max((score for _, score in answer.scores), default=0.0)
    counted = sum(score >= best / 20 for _, score in answer.scores)
    values = 1 if answer.is_order else SCORE_VALUES / 2
    return math.exp(-_log_orders(answer.count, counted)) * values ** (1 - counted)
