"""How often is the best line of a lettered list ranked first, with and without calibration?"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.intervals import format_estimate
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
    """Ask models of each bias the same questions, with and without calibration."""
    rows = []
    for deviation, moods in TASTES:
        rows.append(measured(deviation, moods))
        print(rows[-1], flush=True)
    save("letters", QUESTION, rows, seed=SEED, models=MODELS, judge=JUDGE)


def measured(deviation: float, moods: float) -> dict[str, Any]:
    """Return the results of models whose letter bias has this deviation, raw and calibrated."""
    writer = build_writer(Settings.resolve({"model": "gpt-4o"}))
    answers = [list(_of_model(seed, deviation, moods, writer)) for seed in range(MODELS)]
    asked = np.array([each for each in answers if each])
    # Lists of one model share its bias: each model is drawn independently.
    found = [
        same_for_all(one.value, len(asked)) if one.value in (0.0, 1.0) else one
        for one in Bootstrap(len(asked), SEED).estimates(asked.mean(axis=1))
    ]
    shown = map(format_estimate, found)
    names = (f"{what}, {how}" for what in ("best first", "off by") for how in ("raw", "calibrated"))
    row = {"taste": deviation, "of its own in each list": moods, "models": MODELS}
    row |= {"asked by letters": len(asked), "lists": len(asked) * LISTS}
    return {**row, **dict(zip(names, shown, strict=True))}


def _of_model(
    seed: int, deviation: float, moods: float, writer: PromptWriter
) -> Iterator[tuple[float, ...]]:
    """Probe a model, then ask it; return for each list whether it was right, and the error.

    A model that is not asked by letters returns nothing.
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
    """Return a generated question about branches of a few words each."""
    lines = [" ".join(chance.sample(WORDS, OF_LINE)) for _ in range(chance.randint(*LENGTHS))]
    choices = tuple(Choice(number, line, number) for number, line in enumerate(lines, start=1))
    likes = Interest(" ".join(chance.sample(WORDS, OF_PERSON)), 1.0)
    return Question("choose", Stage.RECALL, Profile((likes,)), choices, 1)


def compared(verdict: Verdict) -> tuple[bool, float]:
    """Return whether the best line is first, and how far the shares are from unbiased ones.

    The distance is half the sum of absolute differences: the share of probability that lies
    elsewhere.
    """
    (exchange,) = verdict.exchanges
    odds = label_odds(exchange.messages[-1][1])
    true = {LETTERS.index(letter) + 1: share for letter, share in odds.items()}
    on_letters, all_true = sum(share for _, share in verdict.shares), sum(true.values())
    found = {number: share / on_letters for number, share in verdict.shares}
    off = sum(abs(found.get(n, 0.0) - share / all_true) for n, share in true.items()) / 2
    first = true[verdict.scores[0][0]]
    return first > max(true.values()) * (1 - 1e-9), off
