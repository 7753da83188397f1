"""How often does the best line of a lettered list come first, raw and with the bias divided out?

The model is simulated: a fake server whose log odds of a letter grow with the words that its line
shares with the person, and with a taste for letters that is drawn for it. `doctor` measures the
taste as it would a real model's; a model that it finds astray is not asked by letters, and so is
not asked here. The best line is the one without the taste.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import told
from benchmarks.results import save
from unillmrec.endpoint import OpenAIEndpoint
from unillmrec.evaluation.statistics import Bootstrap, same_for_all
from unillmrec.judge import Choice, Interest, Judge, LanguageModelJudge, Profile, Question, Verdict
from unillmrec.judge.doctor import Doctor
from unillmrec.judge.from_settings import build_writer
from unillmrec.judge.prompting.letters import LETTERS
from unillmrec.judge.prompting.prompt_writer import PromptWriter
from unillmrec.settings import Settings
from unillmrec.testing import Dialect, FakeServer
from unillmrec.testing.letters import label_odds
from unillmrec.usage import Stage

QUESTION = __doc__.partition("\n")[0]
SEED = 42
MODELS, LISTS = 100, 3
# The deviation of the taste in log odds, and how far it is another one in each list, which no
# measurement on other lists can know.
TASTES = ((0.0, 0.0), (0.5, 0.0), (1.0, 0.0), (1.0, 0.5), (2.0, 0.0))
LENGTHS = (8, 20)
OF_LINE, OF_PERSON = 5, 6
WORDS = re.findall(
    r"\w+",
    """ocean forest chess violin garden planet ballad winter desert castle dragon market
    silver engine orchid harbor canyon lantern marble thunder""",
)
JUDGE = (
    "a simulated model (fake server: shared words and a planted taste for letters), "
    "no language model"
)


def run(data: Path) -> None:
    """Ask models of each taste the same questions, with and without calibration."""
    rows = []
    for deviation, moods in TASTES:
        rows.append(measured(deviation, moods))
        print(rows[-1], flush=True)
    save("letters", QUESTION, rows, seed=SEED, models=MODELS, judge=JUDGE)


def measured(deviation: float, moods: float) -> dict[str, Any]:
    """Return how models whose tastes deviate so much answer, raw and calibrated."""
    writer = build_writer(Settings.resolve({"model": "gpt-4o"}))
    answers = [list(_of_model(seed, deviation, moods, writer)) for seed in range(MODELS)]
    asked = np.array([each for each in answers if each])
    # Lists of one model have its taste in common: models are what is drawn anew.
    found = [
        same_for_all(one.value, len(asked)) if one.value in (0.0, 1.0) else one
        for one in Bootstrap(len(asked), SEED).estimates(asked.mean(axis=1))
    ]
    shown = map(told, found)
    names = (f"{what}, {how}" for what in ("best first", "off by") for how in ("raw", "calibrated"))
    row = {"taste": deviation, "of its own in each list": moods, "models": MODELS}
    row |= {"asked by letters": len(asked), "lists": len(asked) * LISTS}
    return {**row, **dict(zip(names, shown, strict=True))}


def _of_model(
    seed: int, deviation: float, moods: float, writer: PromptWriter
) -> Iterator[tuple[float, ...]]:
    """Examine a model, then ask it; of each list, what was right and how far shares were off.

    Of a model that is not asked by letters there is nothing.
    """
    chance = random.Random(f"{SEED} {seed}")
    taste = [chance.gauss(0, 1) for _ in LETTERS]
    dialect = Dialect(tells_logprobs=True, context=8_192)
    with FakeServer(dialect=_with_taste(dialect, [deviation * each for each in taste])) as server:
        endpoint = OpenAIEndpoint(
            server.model, base_url=server.base_url, api_key="", environ={}, capabilities_file=None
        )
        with endpoint:
            examiner = Doctor(endpoint, writer)
            examiner.estimate_tokens()
            examined = examiner.probe()
            judges = [_judge(endpoint, writer, bias) for bias in ({}, examined.label_bias)]
            for _ in range(LISTS if examined.asks_by_letters else 0):
                question = made_up(chance)
                mood = [moods * chance.gauss(0, 1) for _ in LETTERS]
                tastes = [deviation * one + own for one, own in zip(taste, mood, strict=True)]
                server.dialect = _with_taste(dialect, tastes)
                raw, calibrated = (compared(judge.choose(question)) for judge in judges)
                yield raw[0], calibrated[0], raw[1], calibrated[1]


def _with_taste(dialect: Dialect, taste: Sequence[float]) -> Dialect:
    return replace(dialect, label_bias=tuple(taste))


def _judge(endpoint: OpenAIEndpoint, writer: PromptWriter, bias: Mapping[str, float]) -> Judge:
    # Nobody stands in: an answer by no letter would end the run.
    nobody: Any = None
    return LanguageModelJudge(endpoint, writer, nobody, label_bias=bias)


def made_up(chance: random.Random) -> Question:
    """Return a question about branches of a few words, for somebody who likes a few."""
    lines = [" ".join(chance.sample(WORDS, OF_LINE)) for _ in range(chance.randint(*LENGTHS))]
    choices = tuple(Choice(number, line, number) for number, line in enumerate(lines, start=1))
    likes = Interest(" ".join(chance.sample(WORDS, OF_PERSON)), 1.0)
    return Question("choose", Stage.RECALL, Profile((likes,)), choices, 1)


def compared(verdict: Verdict) -> tuple[bool, float]:
    """Return whether a best line came first, and how far the shares are off those without taste.

    That is half the sum of the differences: what part of the probability lies elsewhere.
    """
    (exchange,) = verdict.exchanges
    odds = label_odds(exchange.messages[-1][1])
    true = {LETTERS.index(letter) + 1: share for letter, share in odds.items()}
    on_letters, all_true = sum(share for _, share in verdict.shares), sum(true.values())
    found = {number: share / on_letters for number, share in verdict.shares}
    off = sum(abs(found.get(n, 0.0) - share / all_true) for n, share in true.items()) / 2
    first = true[verdict.scores[0][0]]
    return first > max(true.values()) * (1 - 1e-9), off
