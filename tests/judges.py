"""Judges with scripted answers, which record their questions."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from unillmrec.judge import Dropped, HistoryQuestion, Interest, Interests, Question, Verdict
from unillmrec.usage import Usage

Answer = Callable[[Question], Sequence[tuple[int, float]]]


class ScriptedJudge:
    """Answers with the scores that a function returns for the question.

    *window* is how many choices fit into one question. *pauses* is the seed of random pauses of
    up to two milliseconds before answers.
    """

    name = "scripted judge"

    def __init__(
        self, answer: Answer, *, at_once: int = 1, window: int = 1000, pauses: int | None = None
    ) -> None:
        self.at_once = at_once
        self.works_without_vector = True
        self.asks_by_letters = False
        self.asked: list[Question | HistoryQuestion] = []
        self._answer = answer
        self._window = window
        self._pauses = random.Random(pauses) if pauses is not None else None
        self._lock = threading.Lock()

    def interests(self, question: HistoryQuestion) -> Interests:
        self.asked.append(question)
        return Interests((Interest("quiet things", 1.0),), Dropped(), Usage(calls=1))

    def choose(self, question: Question) -> Verdict:
        with self._lock:
            self.asked.append(question)
            pause = self._pauses.uniform(0, 0.002) if self._pauses else 0
        if pause:
            time.sleep(pause)
        scores = sorted(self._answer(question), key=lambda pair: -pair[1])
        return Verdict(tuple(scores), Dropped(), Usage(calls=1))

    def windows(self, question: Question) -> Sequence[Question]:
        groups = [
            question.choices[start : start + self._window]
            for start in range(0, len(question.choices), self._window)
        ]
        return [
            replace(question, choices=tuple(replace(c, number=n) for n, c in enumerate(group, 1)))
            for group in groups
        ]

    def of_kind(self, kind: str) -> list[Question]:
        """Return the questions of one kind, in the order they were asked."""
        return [each for each in self.asked if isinstance(each, Question) and each.kind == kind]


def by_key(seed: int = 0) -> Answer:
    """Score each choice by its key alone: a random number up to 100 that depends on *seed*."""
    return lambda question: [
        (choice.number, score_of(choice.key, seed)) for choice in question.choices
    ]


def score_of(key: int, seed: int = 0) -> float:
    """Return the score of *key* in `by_key`."""
    return random.Random(f"{seed} {key}").uniform(1, 100)


def in_order(question: Question) -> list[tuple[int, float]]:
    """Score the choices in descending order."""
    count = len(question.choices)
    return [(choice.number, 100 * (count - n) / count) for n, choice in enumerate(question.choices)]


def nothing(question: Question) -> list[tuple[int, float]]:
    """Score none of the choices."""
    return []


def moody(seed: int) -> Answer:
    """Score all, some or none of the choices of a question, at random."""

    def answer(question: Question) -> list[tuple[int, float]]:
        chance = random.Random(f"{seed} {question.kind} {[each.key for each in question.choices]}")
        share = chance.choice((0, 0.3, 1))
        kept = [choice.number for choice in question.choices if chance.random() < share]
        return [(number, chance.choice((0.0, 50.0, chance.uniform(0, 100)))) for number in kept]

    return answer
