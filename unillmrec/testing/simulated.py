"""Judges with simulated faults of a language model: noise and position bias.

They represent no real model, and their names say so wherever they answer.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

from unillmrec.judge import HistoryQuestion, Interests, Judge, Question, Verdict


class _Shifted:
    """Another judge's answers, with something added to each score."""

    def __init__(self, judge: Judge, fault: str) -> None:
        self.name = f"{judge.name} with {fault}"
        self.at_once = judge.at_once
        self.works_without_vector = judge.works_without_vector
        self.asks_by_letters = judge.asks_by_letters
        self._judge = judge

    def interests(self, question: HistoryQuestion) -> Interests:
        """Answer as the other judge does."""
        return self._judge.interests(question)

    def windows(self, question: Question) -> Sequence[Question]:
        """Split a question as the other judge does."""
        return self._judge.windows(question)

    def choose(self, question: Question) -> Verdict:
        """Score as the other judge does, with the addition; scores stay between 0 and 100."""
        verdict = self._judge.choose(question)
        added = self._added(question)
        scores = [
            (number, max(0.0, min(100.0, score + added[number])))
            for number, score in verdict.scores
        ]
        return replace(verdict, scores=tuple(sorted(scores, key=lambda pair: -pair[1])))

    def _added(self, question: Question) -> Mapping[int, float]:
        """Return what is added to each choice's score, by number."""
        raise NotImplementedError


class NoisyJudge(_Shifted):
    """Adds normal noise of *sigma* score points to each score of *judge*.

    The noise depends on *seed* and on the question (person, choices and their order), not on time:
    the same question gets the same answer, another order gets another one.
    """

    def __init__(self, judge: Judge, sigma: float, seed: int = 0) -> None:
        super().__init__(judge, f"simulated noise of {sigma:g} points")
        self._sigma = sigma
        self._seed = seed

    def _added(self, question: Question) -> Mapping[int, float]:
        """Return what is added to each choice's score, by number."""
        chance = random.Random(_digest(self._seed, question))
        return {choice.number: chance.gauss(0, self._sigma) for choice in question.choices}


class BiasedJudge(_Shifted):
    """Adds up to *bias* score points to the scores of *judge*, by position.

    The first choice of a list gains all of them, the last none, those in between proportionally.
    """

    def __init__(self, judge: Judge, bias: float) -> None:
        super().__init__(judge, f"a simulated position bias of {bias:g} points")
        self._bias = bias

    def _added(self, question: Question) -> Mapping[int, float]:
        """Return what is added to each choice's score, by number."""
        last = max(len(question.choices) - 1, 1)
        return {
            choice.number: self._bias * (last - place) / last
            for place, choice in enumerate(question.choices)
        }


def _digest(seed: int, question: Question) -> int:
    """Return a number for the whole question, the same in every process."""
    parts = [str(seed), question.kind, question.where, question.profile.text()]
    parts += [f"{choice.key} {choice.line}" for choice in question.choices]
    content = "\0".join(parts).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "big")
